/** In which language a guest reads, and how times are written for them. */
import { describe, expect, it } from "vitest"
import { languageCookie, readerOf } from "../../src/guests/Reader.ts"
import { fromNow, nameOfZone, time, weekTable } from "../../src/guests/Times.ts"
import { languages } from "../../src/guests/texts/languages.ts"

const now = Date.parse("2026-08-31T10:00Z")
const HOUR = 3_600_000
const asking = (accepted: string, cookie?: string) =>
  readerOf({ "accept-language": accepted, ...(cookie !== undefined && { cookie }) }, now)

describe("the language of a page", () => {
  it.each([
    ["de", "de", "de-DE"],
    ["de-AT,de;q=0.9,en;q=0.8", "de", "de-AT"],
    ["sv,nl;q=0.5,fr;q=0.7", "fr", "fr-FR"],
    ["en-US", "en", "en-US"],
    ["pt-BR", "pt", "pt-BR"],
    ["sv, ja", "en", "en-GB"],
    ["*", "en", "en-GB"],
    ["", "en", "en-GB"],
    ["de-DE-u-nu-arab-ca-buddhist", "de", "de-DE"],
    ["constructor, __proto__, \u0000, -de", "en", "en-GB"]
  ])("for a browser that accepts %j is %s, written as in %s", (accepted, language, locale) => {
    const { texts, locale: as } = asking(accepted)
    expect([texts.lang, as]).toEqual([language, locale])
  })

  it("is the one chosen by the switch, then and afterwards, whatever the browser accepts", () => {
    const chosen = readerOf({ "accept-language": "de" }, now, "el")
    expect([chosen.texts.lang, chosen.chosen]).toEqual(["el", "el"])
    const later = asking("de", `other=1; ${languageCookie("el").split(";")[0]}`)
    expect([later.texts.lang, later.chosen]).toEqual(["el", undefined])
  })

  it("is looked for among the first twenty that a browser accepts: each takes time", () => {
    expect(asking([...Array(19).fill("sv"), "de-AT"].join()).locale).toBe("de-AT")
    expect(asking([...Array(20).fill("sv"), "de-AT"].join()).locale).toBe("en-GB")
  })

  it("is not what is no language", () => {
    for (const asked of ["xx", "", "toString", "de-DE"]) {
      expect(readerOf({ "accept-language": "fr" }, now, asked)).toMatchObject({ texts: languages.fr })
      expect(asking("fr", `latchkey-language=${asked}`).texts.lang).toBe("fr")
    }
  })
})

describe("a time", () => {
  it.each([
    ["en", "Monday, 31 August 2026 at 15:00 (in 2 hours)"],
    ["en-US", "Monday, August 31, 2026 at 03:00 PM (in 2 hours)"],
    ["el", "Δευτέρα 31 Αυγούστου 2026 στις 03:00 μ.μ. (σε 2 ώρες)"],
    ["de", "Montag, 31. August 2026 um 15:00 (in 2 Stunden)"],
    ["fr", "lundi 31 août 2026 à 15:00 (dans 2 heures)"],
    ["es", "lunes, 31 de agosto de 2026, 15:00 (dentro de 2 horas)"],
    ["it", "lunedì 31 agosto 2026 alle ore 15:00 (tra 2 ore)"],
    ["nl", "maandag 31 augustus 2026 om 15:00 (over 2 uur)"],
    ["pt", "segunda-feira, 31 de agosto de 2026 às 15:00 (dentro de 2 horas)"]
  ])("in %s is written in the language's own form, in the time of the door", (accepted, expected) => {
    const { markup } = time(asking(accepted), now + 2 * HOUR, "Europe/Athens")
    expect(markup.replace(/<[^>]*>/g, "").replaceAll(/[\u00a0\u202f]/g, " ")).toBe(expected)
    expect(markup).toContain('datetime="2026-08-31T12:00:00.000Z"')
  })

  it("at a door whose time is not known, or in a zone that is not, is UTC and says so", () => {
    for (const zone of [undefined, "Nowhere/City"]) {
      expect(time(asking("de"), now, zone).markup).toContain("10:00 UTC")
    }
  })

  it.each([
    [20_000, "in 1 minute"],
    [89 * 60_000, "in 89 minutes"],
    [91 * 60_000, "in 2 hours"],
    [35 * HOUR, "in 35 hours"],
    [40 * HOUR, "in 2 days"],
    [13 * 24 * HOUR, "in 13 days"],
    [21 * 24 * HOUR, "in 3 weeks"],
    [90 * 24 * HOUR, "in 3 months"],
    [800 * 24 * HOUR, "in 2 years"],
    [-2 * HOUR, "2 hours ago"]
  ])("%i milliseconds away is told as %s", (span, expected) => expect(fromNow("en-GB", span)).toBe(expected))

  it("is of a zone that has a name in every language", () => {
    const names = Object.keys(languages).map((language) => nameOfZone(asking(language), "Europe/Athens"))
    expect(names).toEqual([
      "Eastern European Time",
      "Ώρα Ανατολικής Ευρώπης",
      "Osteuropäische Zeit",
      "heure d’Europe de l’Est",
      "hora de Europa oriental",
      "Ora dell’Europa orientale",
      "Oost-Europese tijd",
      "Hora da Europa Oriental"
    ])
    expect(nameOfZone(asking("en"), "Nowhere/City")).toBe("Nowhere/City")
  })
})

describe("the week of a schedule", () => {
  it("is a table in which every day has its hours", () => {
    const { markup } = weekTable(asking("de"), {
      timeZone: "Europe/Athens",
      windows: [
        { days: ["tuesday", "sunday"], from: "09:00", to: "11:00" },
        { days: ["tuesday"], from: "17:00", to: "18:30" },
        { days: ["friday"], from: "22:00", to: "06:00" },
        { days: ["saturday"], from: "12:00", to: "12:00" }
      ]
    })
    const rows = [...markup.matchAll(/<th scope="row">(.*?)<\/th><td>(.*?)<\/td>/g)].map(([, day, hours = ""]) => [
      day,
      hours.replace(/<[^>]*>/g, "").trim()
    ])
    expect(rows).toEqual([
      ["Montag", "Gar nicht"],
      ["Dienstag", "09:00–11:00, 17:00–18:30"],
      ["Mittwoch", "Gar nicht"],
      ["Donnerstag", "Gar nicht"],
      ["Freitag", "22:00–06:00"],
      ["Samstag", "12:00–00:00"],
      ["Sonntag", "00:00–12:00"]
    ])
    expect(markup).toContain("Osteuropäische Zeit")
  })
})
