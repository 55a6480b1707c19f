/** All words of the guest pages, in French. */
import { html } from "../../pages/Html.ts"
import type { Texts } from "./en.ts"

export const fr: Texts = {
  lang: "fr",
  dir: "ltr",
  name: "Français",
  locale: "fr-FR",
  states: {
    valid: { title: "Votre clé est prête", text: (_from, until) => html`Elle fonctionne jusqu’au ${until}.` },
    "not-yet-valid": {
      title: "Votre clé ne fonctionne pas encore",
      text: (from, until) => html`Elle fonctionne du ${from} au ${until}.`
    },
    expired: {
      title: "Votre clé a expiré",
      text: (_from, until) =>
        html`Elle a fonctionné jusqu’au ${until}. Demandez-en une nouvelle à la personne qui vous l’a donnée.`
    },
    "used-up": {
      title: "Votre clé est épuisée",
      text: () =>
        html`Elle a ouvert la porte autant de fois que permis. Demandez-en une nouvelle à la personne qui vous l’a donnée.`
    },
    deleted: {
      title: "Votre clé a été retirée",
      text: () =>
        html`Elle n’ouvre plus rien. Demandez à la personne qui vous l’a donnée s’il vous en faut une nouvelle.`
    },
    withdrawn: {
      title: "Votre clé ne fonctionne pas en ce moment",
      text: () =>
        html`La personne qui vous l’a donnée ne peut plus donner de clés pour cette porte. Adressez-vous à elle ou au propriétaire de la porte.`
    },
    "sign-in": {
      title: "Veuillez vous connecter",
      text: () =>
        html`Cette clé est réservée à certaines personnes. Connectez-vous pour que nous sachions que vous en faites partie.`
    },
    "not-listed": {
      title: "Cette clé n’est pas pour vous",
      text: () =>
        html`Vous êtes connecté, mais cette clé est pour d’autres personnes. Demandez à la personne qui vous l’a donnée de vous ajouter, ou connectez-vous avec un autre compte.`
    }
  },
  problems: {
    unknown: {
      title: "Nous ne connaissons pas cette clé",
      text: "Vérifiez que le lien est complet. S’il l’est, demandez-en un nouveau à la personne qui vous l’a envoyé."
    },
    unreachable: {
      title: "La serrure n’a pas pu être jointe",
      text: "Rien n’a été ouvert et rien n’a été décompté. Attendez un instant, puis réessayez."
    },
    "in-doubt": {
      title: "La serrure n’a pas répondu",
      text: "Nous ne savons pas si elle a reçu le message. Si la porte s’ouvre, cela compte comme une utilisation. Sinon, attendez un instant, puis réessayez."
    },
    busy: {
      title: "La serrure est occupée",
      text: "Rien n’a été ouvert et rien n’a été décompté. Réessayez dans un instant."
    },
    "too-often": {
      title: "C’était trop souvent",
      text: "Rien n’a été ouvert et rien n’a été décompté. Attendez une minute, puis réessayez."
    },
    unavailable: {
      title: "Ce n’est pas possible pour l’instant",
      text: "Rechargez cette page dans un instant. Même répété, cela n’ouvre jamais une porte deux fois."
    },
    "signed-out": {
      title: "Vous n’êtes pas connecté",
      text: "La connexion a échoué ou a pris fin. Connectez-vous de nouveau."
    },
    stale: {
      title: "Cette page n’était plus à jour",
      text: "Rien n’a été ouvert. Vous pouvez maintenant réessayer."
    },
    broken: {
      title: "Une erreur s’est produite",
      text: "Elle vient de nous et a été enregistrée. Réessayez dans un instant."
    }
  },
  worksNext: (from) => html`Elle ne fonctionne qu’à certaines heures, la prochaine fois à partir du ${from}.`,
  worksNoMore: "Elle ne fonctionne qu’à certaines heures, et il n’en reste plus avant sa fin.",
  zone: (name) => `Heure à la porte : ${name}`,
  contact: (contact) => `Des questions ? ${contact}`,
  usesLeft: {
    one: (count) => `Vous pouvez encore ouvrir ${count} fois.`,
    other: (count) => `Vous pouvez encore ouvrir ${count} fois.`,
    many: (count) => `Vous pouvez encore ouvrir ${count} de fois.`
  },
  offline:
    "La serrure n’est pas connectée en ce moment. Si vous ouvrez quand même, la porte ne s’ouvre que si la serrure revient dans les dix secondes ; cela compte comme une utilisation dans tous les cas.",
  door: (id) => `Porte ${id}`,
  withdrawn:
    "La personne qui vous a donné cette clé ne peut plus donner de clés pour cette porte. Adressez-vous à elle ou au propriétaire de la porte.",
  byPin: "Cette porte s’ouvre avec votre code PIN : saisissez-le à la porte.",
  open: (label) => (label === undefined ? "Ouvrir la porte" : `Ouvrir : ${label}`),
  opening: "Ouverture…",
  slide: "Glisser pour ouvrir",
  slideHow: "Faites glisser jusqu’au bout et maintenez jusqu’à l’ouverture.",
  slideHowByKeyboard: "Au clavier, maintenez la flèche droite.",
  hold: "Maintenez…",
  signIn: "Se connecter",
  signInElsewhere: "Ouvrez ce lien dans l’application ou sur le site où vous êtes connecté.",
  confirmation: {
    told: { title: "La porte s’ouvre", text: (when) => html`La serrure a reçu l’ordre d’ouvrir à ${when}.` },
    offline: {
      title: "La serrure n’est pas connectée",
      text: (when) =>
        html`L’ordre d’ouvrir lui a été envoyé à ${when}. Si elle revient dans les dix secondes, la porte s’ouvre ; après, non.`
    },
    done: {
      title: "La porte est ouverte",
      text: (when) => html`La serrure a reçu l’ordre d’ouvrir à ${when}, et l’a fait.`
    },
    returned: {
      title: "La porte ne s’est pas ouverte",
      text: (when) =>
        html`La serrure a reçu l’ordre d’ouvrir à ${when} et dit ne pas l’avoir fait. Cela ne compte pas comme une utilisation : réessayez.`
    },
    failed: {
      title: "La porte ne s’est pas ouverte",
      text: (when) =>
        html`La serrure a reçu l’ordre d’ouvrir à ${when} et dit ne pas avoir pu le faire. Réessayez, ou demandez à la personne qui vous a donné la clé.`
    },
    silent: {
      title: "La serrure n’a pas répondu",
      text: (when) =>
        html`L’ordre d’ouvrir lui a été envoyé à ${when}, et elle n’a pas dit si elle l’a fait. Si la porte est encore fermée, elle ne s’ouvrira plus : réessayez.`
    },
    past: {
      title: "La porte a déjà été ouverte",
      text: (when) => html`La serrure a reçu l’ordre d’ouvrir le ${when}. Rien ne vient d’être ouvert.`
    },
    none: { title: "Rien n’a été ouvert", text: () => html`Il n’y a ici aucune ouverture à confirmer.` }
  },
  again: "Ouvrir à nouveau",
  back: "Retour à la clé",
  map: "Voir sur la carte",
  week: {
    title: "Quand elle fonctionne",
    day: "Jour",
    hours: "Heures",
    never: "Pas du tout",
    allDay: "Toute la journée"
  },
  pin: { show: "Afficher le code PIN", text: "À une porte avec clavier, saisissez :" },
  calendar: "Ajouter au calendrier",
  entry: (place) => (place === undefined ? "Clé" : `Clé : ${place}`),
  language: "Langue",
  preview: { title: "Une clé pour vous", description: "Ouvrez cette page devant la porte." }
}
