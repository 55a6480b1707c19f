/** The languages of the guest pages, in the order of their switch. The first is for guests who read none of them. */
import { de } from "./de.ts"
import { el } from "./el.ts"
import { en, type Texts } from "./en.ts"
import { es } from "./es.ts"
import { fr } from "./fr.ts"
import { it } from "./it.ts"
import { nl } from "./nl.ts"
import { pt } from "./pt.ts"

export const languages = { en, el, de, fr, es, it, nl, pt } satisfies Readonly<Record<string, Texts>>
export type Language = keyof typeof languages
