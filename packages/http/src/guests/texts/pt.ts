/** All words of the guest pages, in Portuguese. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const pt: Texts = {
  lang: "pt",
  dir: "ltr",
  name: "Português",
  locale: "pt-PT",
  states: {
    valid: { title: "A sua chave está pronta", text: (_from, until) => html`Funciona até ${until}.` },
    "not-yet-valid": {
      title: "A sua chave ainda não funciona",
      text: (from, until) => html`Funciona de ${from} até ${until}.`
    },
    expired: {
      title: "A sua chave expirou",
      text: (_from, until) => html`Funcionou até ${until}. Peça uma nova a quem lha deu.`
    },
    "used-up": {
      title: "A sua chave está esgotada",
      text: () => html`Abriu a porta tantas vezes quantas eram permitidas. Peça uma nova a quem lha deu.`
    },
    deleted: {
      title: "A sua chave foi retirada",
      text: () => html`Já não abre nada. Pergunte a quem lha deu se precisa de uma nova.`
    },
    withdrawn: {
      title: "A sua chave não funciona neste momento",
      text: () =>
        html`Quem lha deu já não pode dar chaves para esta porta. Fale com essa pessoa ou com o proprietário da porta.`
    },
    "sign-in": {
      title: "Inicie sessão",
      text: () => html`Esta chave é só para certas pessoas. Inicie sessão, para sabermos que é uma delas.`
    },
    "not-listed": {
      title: "Esta chave não é para si",
      text: () =>
        html`Tem sessão iniciada, mas esta chave é para outras pessoas. Peça a quem lha deu que o acrescente, ou inicie sessão com outra conta.`
    }
  },
  problems: {
    unknown: {
      title: "Não conhecemos esta chave",
      text: "Verifique se o link está completo. Se estiver, peça um novo a quem lho enviou."
    },
    unreachable: {
      title: "Não foi possível contactar a fechadura",
      text: "Nada foi aberto e nenhuma utilização foi gasta. Espere um momento e tente de novo."
    },
    "in-doubt": {
      title: "A fechadura não respondeu",
      text: "Não sabemos se recebeu a mensagem. Se a porta abrir, conta como uma utilização. Se não, espere um momento e tente de novo."
    },
    busy: {
      title: "A fechadura está ocupada",
      text: "Nada foi aberto e nenhuma utilização foi gasta. Tente de novo daqui a pouco."
    },
    "too-often": {
      title: "Demasiadas tentativas",
      text: "Nada foi aberto e nenhuma utilização foi gasta. Espere um minuto e tente de novo."
    },
    unavailable: {
      title: "Agora não é possível",
      text: "Recarregue esta página daqui a pouco. Por mais vezes que o faça, nunca abre uma porta duas vezes."
    },
    "signed-out": {
      title: "Não tem sessão iniciada",
      text: "O início de sessão falhou ou a sessão terminou. Inicie sessão de novo."
    },
    stale: {
      title: "Esta página estava desatualizada",
      text: "Nada foi aberto. Agora pode tentar de novo."
    },
    broken: {
      title: "Algo correu mal",
      text: "A falha é nossa e ficou registada. Tente de novo daqui a pouco."
    }
  },
  worksNext: (from) => html`Só funciona a certas horas, da próxima vez a partir de ${from}.`,
  worksNoMore: "Só funciona a certas horas, e não resta nenhuma antes de expirar.",
  zone: (name) => `Hora na porta: ${name}`,
  contact: (contact) => `Dúvidas? ${contact}`,
  usesLeft: {
    one: (count) => `Pode abrir mais ${count} vez.`,
    other: (count) => `Pode abrir mais ${count} vezes.`,
    many: (count) => `Pode abrir mais ${count} de vezes.`
  },
  offline:
    "A fechadura não está ligada neste momento. Se abrir mesmo assim, a porta só abre se a fechadura voltar dentro de dez segundos; conta como uma utilização em qualquer caso.",
  door: (id) => `Porta ${id}`,
  withdrawn:
    "Quem lhe deu esta chave já não pode dar chaves para esta porta. Fale com essa pessoa ou com o proprietário da porta.",
  byPin: "Esta porta abre com o seu PIN: introduza-o na porta.",
  open: (label) => (label === undefined ? "Abrir a porta" : `Abrir: ${label}`),
  opening: "A abrir…",
  slide: "Deslize para abrir",
  slideHow: "Deslize até ao fim e mantenha até abrir.",
  slideHowByKeyboard: "Com o teclado, mantenha premida a seta para a direita.",
  hold: "Mantenha…",
  signIn: "Iniciar sessão",
  signInElsewhere: "Abra este link na aplicação ou no site onde tem sessão iniciada.",
  confirmation: {
    told: { title: "A porta está a abrir", text: (when) => html`A fechadura recebeu a ordem de abrir (${when}).` },
    offline: {
      title: "A fechadura não está ligada",
      text: (when) =>
        html`A ordem de abrir foi enviada (${when}). Se a fechadura voltar dentro de dez segundos, a porta abre; depois, não.`
    },
    done: {
      title: "A porta está aberta",
      text: (when) => html`A fechadura recebeu a ordem de abrir (${when}) e abriu.`
    },
    returned: {
      title: "A porta não abriu",
      text: (when) =>
        html`A fechadura recebeu a ordem de abrir (${when}) e diz que não abriu. Não conta como uma utilização: tente de novo.`
    },
    failed: {
      title: "A porta não abriu",
      text: (when) =>
        html`A fechadura recebeu a ordem de abrir (${when}) e diz que não conseguiu. Tente de novo, ou pergunte a quem lhe deu a chave.`
    },
    silent: {
      title: "A fechadura não respondeu",
      text: (when) =>
        html`A ordem de abrir foi enviada (${when}) e a fechadura não disse se abriu. Se a porta ainda estiver fechada, já não vai abrir: tente de novo.`
    },
    past: {
      title: "A porta já tinha sido aberta",
      text: (when) => html`A fechadura recebeu a ordem de abrir: ${when}. Agora mesmo nada foi aberto.`
    },
    none: { title: "Nada foi aberto", text: () => html`Não há aqui nenhuma abertura para confirmar.` }
  },
  again: "Abrir outra vez",
  back: "Voltar à chave",
  map: "Ver no mapa",
  week: { title: "Quando funciona", day: "Dia", hours: "Horas", never: "Nunca", allDay: "Todo o dia" },
  pin: { show: "Mostrar o PIN", text: "Numa porta com teclado, introduza:" },
  calendar: "Adicionar ao calendário",
  entry: (place) => (place === undefined ? "Chave" : `Chave: ${place}`),
  language: "Idioma",
  preview: { title: "Uma chave para si", description: "Abra esta página junto à porta." }
}
