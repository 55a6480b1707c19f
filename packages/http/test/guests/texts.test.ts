/** The words of the guest pages: each language says everything, in its own words and forms. */
import { describe, expect, it } from "vitest"
import type { Texts } from "../../src/guests/texts/en.ts"
import { languages } from "../../src/guests/texts/languages.ts"
import { Html, html } from "../../src/pages/Html.ts"

/** Every text by its path; of those that are made of something, what comes of words that stand for it. */
const said = (part: unknown, path = ""): ReadonlyArray<readonly [path: string, text: string]> => {
  if (typeof part === "string") return [[path, part]]
  if (part instanceof Html) return [[path, part.markup]]
  if (typeof part !== "function") {
    return Object.entries(part as object).flatMap(([name, inner]) => said(inner, `${path}.${name}`))
  }
  const isMarkup = /states|confirmation|worksNext/.test(path)
  const stand = (word: string) => (isMarkup ? html`${word}` : word)
  return said(part(stand("«1»"), stand("«2»")), path)
}
const english = said(languages.en)

/** What a language may leave to English: how many forms plurals have differs. */
const isForm = (path: string) => path.startsWith(".usesLeft.")

describe.each(Object.entries<Texts>(languages))("%s", (language, texts) => {
  const all = said(texts)

  it("says everything that is said in English, and leaves nothing empty", () => {
    const paths = (of: typeof all) => of.map(([path]) => path).filter((path) => !isForm(path))
    expect(paths(all)).toEqual(paths(english))
    expect(all.filter(([, text]) => text.trim() === "")).toEqual([])
  })

  it("says of what is put in as much as English does", () => {
    const put = (of: typeof all) =>
      of.filter(([path]) => !isForm(path)).map(([path, text]) => [path, text.match(/«\d»/g)?.sort() ?? []])
    expect(put(all)).toEqual(put(english))
  })

  it("has a form for every plural of the language", () => {
    const { pluralCategories } = new Intl.PluralRules(texts.locale).resolvedOptions()
    expect(Object.keys(texts.usesLeft).sort()).toEqual([...pluralCategories].sort())
    for (const say of Object.values(texts.usesLeft)) expect(say("«n»")).toContain("«n»")
  })

  it("is written in its own words, as its locale says", () => {
    expect([texts.lang, texts.locale.split("-")[0]]).toEqual([language, language])
    expect(new Intl.DisplayNames([language], { type: "language" }).of(language)?.toLowerCase()).toBe(
      texts.name.toLowerCase()
    )
    expect(new Intl.Locale(texts.locale).maximize().script).toBe(language === "el" ? "Grek" : "Latn")
    if (language === "en") return
    const english_ = new Map(english)
    // Where two languages have the same word, that is no omission; a sentence is.
    const same = all.filter(([path, text]) => text === english_.get(path) && / .* /.test(text))
    expect(same).toEqual([])
  })
})
