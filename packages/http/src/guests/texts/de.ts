/** All words of the guest pages, in German. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const de: Texts = {
  lang: "de",
  dir: "ltr",
  name: "Deutsch",
  locale: "de-DE",
  states: {
    valid: { title: "Ihr Schlüssel ist bereit", text: (_from, until) => html`Er funktioniert bis ${until}.` },
    "not-yet-valid": {
      title: "Ihr Schlüssel funktioniert noch nicht",
      text: (from, until) => html`Er funktioniert von ${from} bis ${until}.`
    },
    expired: {
      title: "Ihr Schlüssel ist abgelaufen",
      text: (_from, until) =>
        html`Er funktionierte bis ${until}. Bitten Sie die Person, die ihn Ihnen gegeben hat, um einen neuen.`
    },
    "used-up": {
      title: "Ihr Schlüssel ist aufgebraucht",
      text: () =>
        html`Er hat die Tür so oft geöffnet wie erlaubt. Bitten Sie die Person, die ihn Ihnen gegeben hat, um einen neuen.`
    },
    deleted: {
      title: "Ihr Schlüssel wurde zurückgezogen",
      text: () =>
        html`Er öffnet nichts mehr. Fragen Sie die Person, die ihn Ihnen gegeben hat, ob Sie einen neuen brauchen.`
    },
    withdrawn: {
      title: "Ihr Schlüssel funktioniert zurzeit nicht",
      text: () =>
        html`Die Person, die ihn Ihnen gegeben hat, darf für diese Tür keine Schlüssel mehr vergeben. Wenden Sie sich an sie oder an die Eigentümer der Tür.`
    },
    "sign-in": {
      title: "Bitte melden Sie sich an",
      text: () =>
        html`Dieser Schlüssel ist nur für bestimmte Personen. Melden Sie sich an, damit wir wissen, dass Sie dazugehören.`
    },
    "not-listed": {
      title: "Dieser Schlüssel ist nicht für Sie",
      text: () =>
        html`Sie sind angemeldet, aber dieser Schlüssel ist für andere Personen. Bitten Sie die Person, die ihn Ihnen gegeben hat, Sie hinzuzufügen, oder melden Sie sich mit einem anderen Konto an.`
    }
  },
  problems: {
    unknown: {
      title: "Wir kennen diesen Schlüssel nicht",
      text: "Prüfen Sie, ob der Link vollständig ist. Wenn ja, bitten Sie die Person, die ihn geschickt hat, um einen neuen."
    },
    unreachable: {
      title: "Das Schloss war nicht erreichbar",
      text: "Es wurde nichts geöffnet und nichts verbraucht. Warten Sie einen Moment und versuchen Sie es dann noch einmal."
    },
    "in-doubt": {
      title: "Das Schloss hat nicht geantwortet",
      text: "Wir wissen nicht, ob die Nachricht angekommen ist. Öffnet sich die Tür, zählt das als Benutzung. Wenn nicht, warten Sie einen Moment und versuchen Sie es dann noch einmal."
    },
    busy: {
      title: "Das Schloss ist beschäftigt",
      text: "Es wurde nichts geöffnet und nichts verbraucht. Versuchen Sie es gleich noch einmal."
    },
    "too-often": {
      title: "Das war zu oft",
      text: "Es wurde nichts geöffnet und nichts verbraucht. Warten Sie eine Minute und versuchen Sie es dann noch einmal."
    },
    unavailable: {
      title: "Das geht gerade nicht",
      text: "Laden Sie diese Seite gleich noch einmal. Auch wenn Sie das mehrmals tun, öffnet sie die Tür nie zweimal."
    },
    "signed-out": {
      title: "Sie sind nicht angemeldet",
      text: "Die Anmeldung hat nicht geklappt oder ist abgelaufen. Melden Sie sich noch einmal an."
    },
    stale: {
      title: "Diese Seite war veraltet",
      text: "Es wurde nichts geöffnet. Jetzt können Sie es noch einmal versuchen."
    },
    broken: {
      title: "Etwas ist schiefgegangen",
      text: "Das liegt an uns und wurde festgehalten. Versuchen Sie es gleich noch einmal."
    }
  },
  worksNext: (from) => html`Er funktioniert nur zu bestimmten Zeiten, das nächste Mal ab ${from}.`,
  worksNoMore: "Er funktioniert nur zu bestimmten Zeiten, und bis zu seinem Ablauf kommt keine mehr.",
  zone: (name) => `Zeit an der Tür: ${name}`,
  contact: (contact) => `Fragen? ${contact}`,
  usesLeft: {
    one: (count) => `Sie können noch ${count} Mal öffnen.`,
    other: (count) => `Sie können noch ${count} Mal öffnen.`
  },
  offline:
    "Das Schloss ist gerade nicht verbunden. Wenn Sie trotzdem öffnen, geht die Tür nur auf, falls das Schloss innerhalb von zehn Sekunden wieder da ist; als Benutzung zählt es in jedem Fall.",
  door: (id) => `Tür ${id}`,
  withdrawn:
    "Die Person, die Ihnen diesen Schlüssel gegeben hat, darf für diese Tür keine Schlüssel mehr vergeben. Wenden Sie sich an sie oder an die Eigentümer der Tür.",
  byPin: "Diese Tür öffnet sich mit Ihrer PIN: Geben Sie sie an der Tür ein.",
  open: (label) => (label === undefined ? "Tür öffnen" : `${label} öffnen`),
  opening: "Wird geöffnet …",
  slide: "Zum Öffnen schieben",
  slideHow: "Schieben Sie bis zum Ende und halten Sie, bis sich die Tür öffnet.",
  slideHowByKeyboard: "Mit der Tastatur: Pfeiltaste nach rechts gedrückt halten.",
  hold: "Halten …",
  signIn: "Anmelden",
  signInElsewhere: "Öffnen Sie diesen Link in der App oder auf der Website, wo Sie angemeldet sind.",
  confirmation: {
    told: { title: "Die Tür wird geöffnet", text: (when) => html`Das Schloss bekam um ${when} den Befehl zum Öffnen.` },
    offline: {
      title: "Das Schloss ist nicht verbunden",
      text: (when) =>
        html`Es bekam um ${when} den Befehl zum Öffnen. Ist es innerhalb von zehn Sekunden wieder da, geht die Tür auf; danach nicht mehr.`
    },
    done: {
      title: "Die Tür ist offen",
      text: (when) => html`Das Schloss bekam um ${when} den Befehl zum Öffnen und hat ihn ausgeführt.`
    },
    returned: {
      title: "Die Tür ging nicht auf",
      text: (when) =>
        html`Das Schloss bekam um ${when} den Befehl zum Öffnen und meldet, dass es nicht geöffnet hat. Das zählt nicht als Benutzung: Versuchen Sie es noch einmal.`
    },
    failed: {
      title: "Die Tür ging nicht auf",
      text: (when) =>
        html`Das Schloss bekam um ${when} den Befehl zum Öffnen und meldet, dass es nicht öffnen konnte. Versuchen Sie es noch einmal, oder fragen Sie die Person, die Ihnen den Schlüssel gegeben hat.`
    },
    silent: {
      title: "Das Schloss hat nicht geantwortet",
      text: (when) =>
        html`Es bekam um ${when} den Befehl zum Öffnen und hat nicht gemeldet, ob es geöffnet hat. Ist die Tür noch zu, geht sie jetzt nicht mehr auf: Versuchen Sie es noch einmal.`
    },
    past: {
      title: "Die Tür wurde schon früher geöffnet",
      text: (when) => html`Das Schloss bekam den Befehl am ${when}. Gerade eben wurde nichts geöffnet.`
    },
    none: { title: "Es wurde nichts geöffnet", text: () => html`Hier gibt es keine Öffnung zu bestätigen.` }
  },
  again: "Noch einmal öffnen",
  back: "Zurück zum Schlüssel",
  map: "Auf der Karte zeigen",
  week: { title: "Wann er funktioniert", day: "Tag", hours: "Zeiten", never: "Gar nicht", allDay: "Ganztägig" },
  pin: { show: "PIN anzeigen", text: "An einer Tür mit Tastenfeld eingeben:" },
  calendar: "Zum Kalender hinzufügen",
  entry: (place) => (place === undefined ? "Schlüssel" : `Schlüssel: ${place}`),
  language: "Sprache",
  preview: { title: "Ein Schlüssel für Sie", description: "Öffnen Sie diese Seite an der Tür." }
}
