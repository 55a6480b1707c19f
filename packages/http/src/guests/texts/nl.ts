/** All words of the guest pages, in Dutch. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const nl: Texts = {
  lang: "nl",
  dir: "ltr",
  name: "Nederlands",
  locale: "nl-NL",
  states: {
    valid: { title: "Je sleutel is klaar", text: (_from, until) => html`Hij werkt tot ${until}.` },
    "not-yet-valid": {
      title: "Je sleutel werkt nog niet",
      text: (from, until) => html`Hij werkt van ${from} tot ${until}.`
    },
    expired: {
      title: "Je sleutel is verlopen",
      text: (_from, until) => html`Hij werkte tot ${until}. Vraag een nieuwe aan degene die hem je gaf.`
    },
    "used-up": {
      title: "Je sleutel is opgebruikt",
      text: () =>
        html`Hij heeft de deur zo vaak geopend als was toegestaan. Vraag een nieuwe aan degene die hem je gaf.`
    },
    deleted: {
      title: "Je sleutel is ingetrokken",
      text: () => html`Hij opent niets meer. Vraag degene die hem je gaf of je een nieuwe nodig hebt.`
    },
    withdrawn: {
      title: "Je sleutel werkt nu niet",
      text: () =>
        html`Degene die hem je gaf, mag geen sleutels meer geven voor deze deur. Neem contact op met diegene of met de eigenaar van de deur.`
    },
    "sign-in": {
      title: "Log in",
      text: () => html`Deze sleutel is alleen voor bepaalde mensen. Log in, zodat we weten dat jij een van hen bent.`
    },
    "not-listed": {
      title: "Deze sleutel is niet voor jou",
      text: () =>
        html`Je bent ingelogd, maar deze sleutel is voor andere mensen. Vraag degene die hem je gaf om je toe te voegen, of log in met een ander account.`
    }
  },
  problems: {
    unknown: {
      title: "We kennen deze sleutel niet",
      text: "Controleer of de link volledig is. Is dat zo, vraag dan een nieuwe aan degene die hem stuurde."
    },
    unreachable: {
      title: "Het slot was niet bereikbaar",
      text: "Er is niets geopend en niets verbruikt. Wacht even en probeer het dan opnieuw."
    },
    "in-doubt": {
      title: "Het slot heeft niet geantwoord",
      text: "We weten niet of het bericht is aangekomen. Gaat de deur open, dan telt dat als gebruik. Zo niet, wacht even en probeer het dan opnieuw."
    },
    busy: {
      title: "Het slot is bezet",
      text: "Er is niets geopend en niets verbruikt. Probeer het zo meteen opnieuw."
    },
    "too-often": {
      title: "Dat was te vaak",
      text: "Er is niets geopend en niets verbruikt. Wacht een minuut en probeer het dan opnieuw."
    },
    unavailable: {
      title: "Dit kan nu even niet",
      text: "Laad deze pagina zo meteen opnieuw. Hoe vaak je dat ook doet, ze opent een deur nooit twee keer."
    },
    "signed-out": {
      title: "Je bent niet ingelogd",
      text: "Het inloggen is mislukt of verlopen. Log opnieuw in."
    },
    stale: {
      title: "Deze pagina was verouderd",
      text: "Er is niets geopend. Nu kun je het opnieuw proberen."
    },
    broken: {
      title: "Er ging iets mis",
      text: "Dat ligt aan ons en is vastgelegd. Probeer het zo meteen opnieuw."
    }
  },
  worksNext: (from) => html`Hij werkt alleen op bepaalde tijden, de volgende keer vanaf ${from}.`,
  worksNoMore: "Hij werkt alleen op bepaalde tijden, en daar zijn er geen meer van voordat hij verloopt.",
  zone: (name) => `Tijd bij de deur: ${name}`,
  contact: (contact) => `Vragen? ${contact}`,
  usesLeft: {
    one: (count) => `Je kunt nog ${count} keer openen.`,
    other: (count) => `Je kunt nog ${count} keer openen.`
  },
  offline:
    "Het slot is nu niet verbonden. Als je toch opent, gaat de deur alleen open als het slot binnen tien seconden terug is; het telt in elk geval als gebruik.",
  door: (id) => `Deur ${id}`,
  withdrawn:
    "Degene die je deze sleutel gaf, mag geen sleutels meer geven voor deze deur. Neem contact op met diegene of met de eigenaar van de deur.",
  byPin: "Deze deur gaat open met je pincode: toets die in bij de deur.",
  open: (label) => (label === undefined ? "Open de deur" : `Open ${label}`),
  opening: "Bezig met openen…",
  slide: "Schuif om te openen",
  slideHow: "Schuif naar het einde en houd vast tot de deur opengaat.",
  slideHowByKeyboard: "Met een toetsenbord: houd de pijl naar rechts ingedrukt.",
  hold: "Houd vast…",
  signIn: "Inloggen",
  signInElsewhere: "Open deze link in de app of op de site waar je bent ingelogd.",
  confirmation: {
    told: { title: "De deur gaat open", text: (when) => html`Het slot kreeg om ${when} de opdracht om te openen.` },
    offline: {
      title: "Het slot is niet verbonden",
      text: (when) =>
        html`Het kreeg om ${when} de opdracht om te openen. Is het binnen tien seconden terug, dan gaat de deur open; daarna niet meer.`
    },
    done: {
      title: "De deur is open",
      text: (when) => html`Het slot kreeg om ${when} de opdracht om te openen, en heeft dat gedaan.`
    },
    returned: {
      title: "De deur ging niet open",
      text: (when) =>
        html`Het slot kreeg om ${when} de opdracht om te openen en meldt dat het dat niet deed. Dat telt niet als gebruik: probeer het opnieuw.`
    },
    failed: {
      title: "De deur ging niet open",
      text: (when) =>
        html`Het slot kreeg om ${when} de opdracht om te openen en meldt dat het niet lukte. Probeer het opnieuw, of vraag het aan degene die je de sleutel gaf.`
    },
    silent: {
      title: "Het slot heeft niet geantwoord",
      text: (when) =>
        html`Het kreeg om ${when} de opdracht om te openen en heeft niet gemeld of dat gebeurd is. Is de deur nog dicht, dan gaat hij niet meer open: probeer het opnieuw.`
    },
    past: {
      title: "De deur is eerder geopend",
      text: (when) => html`Het slot kreeg de opdracht om te openen op ${when}. Er is zojuist niets geopend.`
    },
    none: { title: "Er is niets geopend", text: () => html`Hier is geen opening om te bevestigen.` }
  },
  again: "Opnieuw openen",
  back: "Terug naar de sleutel",
  map: "Toon op de kaart",
  week: { title: "Wanneer hij werkt", day: "Dag", hours: "Tijden", never: "Niet", allDay: "De hele dag" },
  pin: { show: "Toon de pincode", text: "Toets bij een deur met toetsenpaneel in:" },
  calendar: "Zet in de agenda",
  entry: (place) => (place === undefined ? "Sleutel" : `Sleutel: ${place}`),
  language: "Taal",
  preview: { title: "Een sleutel voor jou", description: "Open deze pagina bij de deur." }
}
