/** All words of the guest pages, in Italian. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const it: Texts = {
  lang: "it",
  dir: "ltr",
  name: "Italiano",
  locale: "it-IT",
  states: {
    valid: { title: "La tua chiave è pronta", text: (_from, until) => html`Funziona fino a ${until}.` },
    "not-yet-valid": {
      title: "La tua chiave non funziona ancora",
      text: (from, until) => html`Funziona da ${from} fino a ${until}.`
    },
    expired: {
      title: "La tua chiave è scaduta",
      text: (_from, until) => html`Ha funzionato fino a ${until}. Chiedine una nuova a chi te l’ha data.`
    },
    "used-up": {
      title: "La tua chiave è esaurita",
      text: () => html`Ha aperto la porta quante volte era permesso. Chiedine una nuova a chi te l’ha data.`
    },
    deleted: {
      title: "La tua chiave è stata ritirata",
      text: () => html`Non apre più nulla. Chiedi a chi te l’ha data se te ne serve una nuova.`
    },
    withdrawn: {
      title: "La tua chiave ora non funziona",
      text: () =>
        html`Chi te l’ha data non può più dare chiavi per questa porta. Rivolgiti a quella persona o al proprietario della porta.`
    },
    "sign-in": {
      title: "Accedi",
      text: () => html`Questa chiave è riservata ad alcune persone. Accedi, così sappiamo che sei una di loro.`
    },
    "not-listed": {
      title: "Questa chiave non è per te",
      text: () =>
        html`Hai effettuato l’accesso, ma questa chiave è per altre persone. Chiedi a chi te l’ha data di aggiungerti, oppure accedi con un altro account.`
    }
  },
  problems: {
    unknown: {
      title: "Non conosciamo questa chiave",
      text: "Controlla che il link sia completo. Se lo è, chiedine uno nuovo a chi te l’ha inviato."
    },
    unreachable: {
      title: "La serratura non era raggiungibile",
      text: "Non è stato aperto nulla e nessun utilizzo è stato scalato. Aspetta un momento e riprova."
    },
    "in-doubt": {
      title: "La serratura non ha risposto",
      text: "Non sappiamo se ha ricevuto il messaggio. Se la porta si apre, conta come un utilizzo. Altrimenti aspetta un momento e riprova."
    },
    busy: {
      title: "La serratura è occupata",
      text: "Non è stato aperto nulla e nessun utilizzo è stato scalato. Riprova tra un momento."
    },
    "too-often": {
      title: "Troppi tentativi",
      text: "Non è stato aperto nulla e nessun utilizzo è stato scalato. Aspetta un minuto e riprova."
    },
    unavailable: {
      title: "Al momento non è possibile",
      text: "Ricarica questa pagina tra un momento. Anche se lo fai più volte, non apre mai una porta due volte."
    },
    "signed-out": {
      title: "Non hai effettuato l’accesso",
      text: "L’accesso non è riuscito o è terminato. Accedi di nuovo."
    },
    stale: {
      title: "Questa pagina non era aggiornata",
      text: "Non è stato aperto nulla. Ora puoi riprovare."
    },
    broken: {
      title: "Qualcosa è andato storto",
      text: "La colpa è nostra e l’errore è stato registrato. Riprova tra un momento."
    }
  },
  worksNext: (from) => html`Funziona solo in certi orari, la prossima volta da ${from}.`,
  worksNoMore: "Funziona solo in certi orari, e non ne restano prima della scadenza.",
  zone: (name) => `Ora alla porta: ${name}`,
  contact: (contact) => `Domande? ${contact}`,
  usesLeft: {
    one: (count) => `Puoi aprire ancora ${count} volta.`,
    other: (count) => `Puoi aprire ancora ${count} volte.`,
    many: (count) => `Puoi aprire ancora ${count} di volte.`
  },
  offline:
    "La serratura al momento non è connessa. Se apri comunque, la porta si apre solo se la serratura torna entro dieci secondi; conta in ogni caso come un utilizzo.",
  door: (id) => `Porta ${id}`,
  withdrawn:
    "Chi ti ha dato questa chiave non può più dare chiavi per questa porta. Rivolgiti a quella persona o al proprietario della porta.",
  byPin: "Questa porta si apre con il tuo PIN: inseriscilo alla porta.",
  open: (label) => (label === undefined ? "Apri la porta" : `Apri: ${label}`),
  opening: "Apertura…",
  slide: "Scorri per aprire",
  slideHow: "Scorri fino in fondo e tieni premuto finché non si apre.",
  slideHowByKeyboard: "Con la tastiera, tieni premuta la freccia destra.",
  hold: "Tieni premuto…",
  signIn: "Accedi",
  signInElsewhere: "Apri questo link nell’app o sul sito in cui hai effettuato l’accesso.",
  confirmation: {
    told: { title: "La porta si sta aprendo", text: (when) => html`La serratura ha ricevuto il comando (${when}).` },
    offline: {
      title: "La serratura non è connessa",
      text: (when) =>
        html`Il comando è stato inviato (${when}). Se la serratura torna entro dieci secondi, la porta si apre; dopo, no.`
    },
    done: {
      title: "La porta è aperta",
      text: (when) => html`La serratura ha ricevuto il comando (${when}) e ha aperto.`
    },
    returned: {
      title: "La porta non si è aperta",
      text: (when) =>
        html`La serratura ha ricevuto il comando (${when}) e segnala di non aver aperto. Non conta come un utilizzo: riprova.`
    },
    failed: {
      title: "La porta non si è aperta",
      text: (when) =>
        html`La serratura ha ricevuto il comando (${when}) e segnala di non aver potuto aprire. Riprova, oppure chiedi a chi ti ha dato la chiave.`
    },
    silent: {
      title: "La serratura non ha risposto",
      text: (when) =>
        html`Il comando è stato inviato (${when}) e la serratura non ha detto se ha aperto. Se la porta è ancora chiusa, ormai non si apre più: riprova.`
    },
    past: {
      title: "La porta è stata aperta prima",
      text: (when) => html`La serratura ha ricevuto il comando ${when}. In questo momento non è stato aperto nulla.`
    },
    none: { title: "Non è stato aperto nulla", text: () => html`Qui non c’è nessuna apertura da confermare.` }
  },
  again: "Apri di nuovo",
  back: "Torna alla chiave",
  map: "Mostra sulla mappa",
  week: { title: "Quando funziona", day: "Giorno", hours: "Orari", never: "Mai", allDay: "Tutto il giorno" },
  pin: { show: "Mostra il PIN", text: "A una porta con tastierino, inserisci:" },
  calendar: "Aggiungi al calendario",
  entry: (place) => (place === undefined ? "Chiave" : `Chiave: ${place}`),
  language: "Lingua",
  preview: { title: "Una chiave per te", description: "Apri questa pagina davanti alla porta." }
}
