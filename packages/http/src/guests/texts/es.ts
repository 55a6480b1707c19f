/** All words of the guest pages, in Spanish. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const es: Texts = {
  lang: "es",
  dir: "ltr",
  name: "Español",
  locale: "es-ES",
  states: {
    valid: { title: "Su llave está lista", text: (_from, until) => html`Funciona hasta el ${until}.` },
    "not-yet-valid": {
      title: "Su llave todavía no funciona",
      text: (from, until) => html`Funciona desde el ${from} hasta el ${until}.`
    },
    expired: {
      title: "Su llave ha caducado",
      text: (_from, until) => html`Funcionó hasta el ${until}. Pida una nueva a la persona que se la dio.`
    },
    "used-up": {
      title: "Su llave está agotada",
      text: () => html`Ha abierto la puerta tantas veces como se permitía. Pida una nueva a la persona que se la dio.`
    },
    deleted: {
      title: "Su llave ha sido retirada",
      text: () => html`Ya no abre nada. Pregunte a la persona que se la dio si necesita una nueva.`
    },
    withdrawn: {
      title: "Su llave no funciona en este momento",
      text: () =>
        html`La persona que se la dio ya no puede dar llaves para esta puerta. Diríjase a ella o al propietario de la puerta.`
    },
    "sign-in": {
      title: "Inicie sesión",
      text: () =>
        html`Esta llave es solo para ciertas personas. Inicie sesión para que sepamos que es usted una de ellas.`
    },
    "not-listed": {
      title: "Esta llave no es para usted",
      text: () =>
        html`Ha iniciado sesión, pero esta llave es para otras personas. Pida a la persona que se la dio que le añada, o inicie sesión con otra cuenta.`
    }
  },
  problems: {
    unknown: {
      title: "No conocemos esta llave",
      text: "Compruebe que el enlace está completo. Si lo está, pida uno nuevo a la persona que se lo envió."
    },
    unreachable: {
      title: "No se pudo contactar con la cerradura",
      text: "No se ha abierto nada ni se ha gastado ningún uso. Espere un momento e inténtelo de nuevo."
    },
    "in-doubt": {
      title: "La cerradura no ha respondido",
      text: "No sabemos si recibió el mensaje. Si la puerta se abre, cuenta como un uso. Si no, espere un momento e inténtelo de nuevo."
    },
    busy: {
      title: "La cerradura está ocupada",
      text: "No se ha abierto nada ni se ha gastado ningún uso. Inténtelo de nuevo en un momento."
    },
    "too-often": {
      title: "Demasiados intentos",
      text: "No se ha abierto nada ni se ha gastado ningún uso. Espere un minuto e inténtelo de nuevo."
    },
    unavailable: {
      title: "Ahora mismo no es posible",
      text: "Vuelva a cargar esta página en un momento. Por más veces que lo haga, nunca abre una puerta dos veces."
    },
    "signed-out": {
      title: "No ha iniciado sesión",
      text: "El inicio de sesión no funcionó o ha terminado. Inicie sesión de nuevo."
    },
    stale: {
      title: "Esta página estaba anticuada",
      text: "No se ha abierto nada. Ahora puede intentarlo de nuevo."
    },
    broken: {
      title: "Algo ha ido mal",
      text: "El fallo es nuestro y ha quedado registrado. Inténtelo de nuevo en un momento."
    }
  },
  worksNext: (from) => html`Solo funciona a ciertas horas, la próxima vez desde el ${from}.`,
  worksNoMore: "Solo funciona a ciertas horas, y no queda ninguna antes de que caduque.",
  zone: (name) => `Hora en la puerta: ${name}`,
  contact: (contact) => `¿Preguntas? ${contact}`,
  usesLeft: {
    one: (count) => `Puede abrir ${count} vez más.`,
    other: (count) => `Puede abrir ${count} veces más.`,
    many: (count) => `Puede abrir ${count} de veces más.`
  },
  offline:
    "La cerradura no está conectada en este momento. Si abre de todos modos, la puerta solo se abre si la cerradura vuelve antes de diez segundos; cuenta como un uso en cualquier caso.",
  door: (id) => `Puerta ${id}`,
  withdrawn:
    "La persona que le dio esta llave ya no puede dar llaves para esta puerta. Diríjase a ella o al propietario de la puerta.",
  byPin: "Esta puerta se abre con su PIN: introdúzcalo en la puerta.",
  open: (label) => (label === undefined ? "Abrir la puerta" : `Abrir: ${label}`),
  opening: "Abriendo…",
  slide: "Deslizar para abrir",
  slideHow: "Deslice hasta el final y mantenga hasta que se abra.",
  slideHowByKeyboard: "Con el teclado, mantenga pulsada la flecha derecha.",
  hold: "Mantenga…",
  signIn: "Iniciar sesión",
  signInElsewhere: "Abra este enlace en la aplicación o en el sitio web donde ha iniciado sesión.",
  confirmation: {
    told: {
      title: "La puerta se está abriendo",
      text: (when) => html`La cerradura recibió la orden de abrir (${when}).`
    },
    offline: {
      title: "La cerradura no está conectada",
      text: (when) =>
        html`Se le ordenó abrir (${when}). Si vuelve antes de diez segundos, la puerta se abre; después, no.`
    },
    done: {
      title: "La puerta está abierta",
      text: (when) => html`La cerradura recibió la orden de abrir (${when}) y la ha cumplido.`
    },
    returned: {
      title: "La puerta no se abrió",
      text: (when) =>
        html`La cerradura recibió la orden de abrir (${when}) y dice que no lo hizo. No cuenta como un uso: inténtelo de nuevo.`
    },
    failed: {
      title: "La puerta no se abrió",
      text: (when) =>
        html`La cerradura recibió la orden de abrir (${when}) y dice que no pudo. Inténtelo de nuevo, o pregunte a la persona que le dio la llave.`
    },
    silent: {
      title: "La cerradura no ha respondido",
      text: (when) =>
        html`Se le ordenó abrir (${when}) y no ha dicho si lo hizo. Si la puerta sigue cerrada, ya no se abrirá: inténtelo de nuevo.`
    },
    past: {
      title: "La puerta se abrió antes",
      text: (when) => html`La cerradura recibió la orden de abrir el ${when}. Ahora mismo no se ha abierto nada.`
    },
    none: { title: "No se ha abierto nada", text: () => html`Aquí no hay ninguna apertura que confirmar.` }
  },
  again: "Abrir otra vez",
  back: "Volver a la llave",
  map: "Ver en el mapa",
  week: { title: "Cuándo funciona", day: "Día", hours: "Horas", never: "Nunca", allDay: "Todo el día" },
  pin: { show: "Mostrar el PIN", text: "En una puerta con teclado, introduzca:" },
  calendar: "Añadir al calendario",
  entry: (place) => (place === undefined ? "Llave" : `Llave: ${place}`),
  language: "Idioma",
  preview: { title: "Una llave para usted", description: "Abra esta página delante de la puerta." }
}
