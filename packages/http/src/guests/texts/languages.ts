/** The languages of the guest pages, in the order of their switch. The first is for guests who read none of them. */
import { de } from "./de.ts"
import { el } from "./el.ts"
import { en } from "./en.ts"
import { es } from "./es.ts"
import { fr } from "./fr.ts"
import { it } from "./it.ts"
import { nl } from "./nl.ts"
import { pt } from "./pt.ts"

/** What every language says. */
export type Texts = typeof en

export const languages = { en, el, de, fr, es, it, nl, pt } satisfies Readonly<Record<string, Texts>>
export type Language = keyof typeof languages
