/** Whose a guest's page is: said by an organization over the API, or by the operator; bounded, and readable whatever the colour. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConfigProvider, Effect } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { serverConfig } from "../../src/cli/Config.ts"
import { contrast, GROUNDS, shadesOf } from "../../src/guests/Shades.ts"
import { type Credentials, ORG, OTHER_ORG, organization, otherOrganization, superKey } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { makeShared, shared } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { ask, HTML, makeLink } from "./guest.ts"
import { LOGO } from "./logo.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess({ brand: { name: "The Operator", color: "#123456" } })))
afterAll(() => server.stop())

const send = async (method: "GET" | "PUT" | "DELETE", as: Credentials, body?: object, query = "") => {
  const { status, text } = await callsOf(server.url, as)(method, `/brand${query}`, body === undefined ? {} : { body })
  return { status, json: JSON.parse(text) }
}
const pageOf = async (url: string) => (await ask(url, { headers: { accept: HTML } })).text
const run = Effect.runPromise
/** What begins as a PNG of this size does, and has so many bytes. */
function pngOf(width: number, height: number, bytes: number): string {
  const png = Buffer.concat([Buffer.from(LOGO, "base64").subarray(0, 33), Buffer.alloc(bytes)]).subarray(0, bytes)
  png.writeUInt32BE(width, 16)
  png.writeUInt32BE(height, 20)
  return png.toString("base64")
}
const brandOn = (text: string) => /<p class="brand"[^>]*>(.*?)<\/p>/.exec(text)?.[1]

describe("the brand of an organization", () => {
  const brand = { name: "Harbour Hotel", color: "#B41E3C", logo: LOGO }

  it("is on every page of its keys: the key's, its confirmation, and when it has ended; and on nobody else's", async () => {
    const link = await makeLink(server)
    const { uuid } = await makeShared(server.url, shared(link.lock.lockId))
    expect(brandOn(await pageOf(link.url))).toBe("The Operator")
    expect(await send("PUT", organization, brand)).toEqual({ status: 200, json: { ...brand, color: "#b41e3c" } })
    const logo = `<img src="data:image/png;base64,${LOGO}" width="120" height="40" alt="Harbour Hotel">`
    const opened = await link.open()
    const ended = await makeLink(server, { validFrom: "2020-01-01T00:00Z", validUntil: "2020-01-02T00:00Z" })
    for (const url of [
      link.url,
      `${server.url}/temp-keys/${uuid}`,
      server.url + opened.headers.get("location"),
      ended.url
    ]) {
      const text = await pageOf(url)
      expect(brandOn(text)).toBe(logo)
      expect(text).toContain("--brand:#b41e3c;")
    }
    expect(brandOn(await pageOf(`${server.url}/temp-keys/${crypto.randomUUID()}`))).toBe("The Operator")
    await link.lock.post("SetOrganization", { orgId: OTHER_ORG })
    expect(brandOn(await pageOf(link.url))).toBe("The Operator")
    expect(brandOn(await pageOf(`${server.url}/temp-keys/${uuid}`))).toBe("The Operator")
  })

  it("is set as a whole, and gone when it is deleted; the same again is no event", async () => {
    const versions = async () => (await run(server.store.read(`brand-${ORG}`, 0, 100))).length
    await send("PUT", organization, brand)
    const before = await versions()
    await send("PUT", organization, brand)
    expect(await versions()).toBe(before)
    expect((await send("PUT", organization, { name: "Harbour" })).json).toEqual({
      name: "Harbour",
      color: null,
      logo: null
    })
    expect((await send("DELETE", organization)).status).toBe(200)
    expect((await send("DELETE", organization)).status).toBe(200)
    expect((await send("GET", organization)).json).toEqual({ name: null, color: null, logo: null })
    expect(await versions()).toBe(before + 2)
    expect(brandOn(await pageOf((await makeLink(server)).url))).toBe("The Operator")
  })

  it("is its own: others neither see nor change it, and a super key names whose it means", async () => {
    await send("PUT", superKey, { name: "By the operator" }, `?orgId=${ORG}`)
    expect((await send("GET", organization)).json.name).toBe("By the operator")
    expect((await send("GET", otherOrganization)).json.name).toBeNull()
    for (const query of ["", "?orgId=*", "?orgId="])
      expect((await send("GET", superKey, undefined, query)).status).toBe(403)
    expect((await send("PUT", otherOrganization, { name: "Mine" }, `?orgId=${ORG}`)).status).toBe(403)
    await send("DELETE", organization)
  })

  it.each([
    ["a name of nothing", { name: "  " }],
    ["a name of several lines", { name: "One\nTwo" }],
    ["a name with a line end of another kind", { name: "One\u0085Two" }],
    ["a name with a control character", { name: "One\u001bTwo" }],
    ["a name that is too long", { name: "x".repeat(81) }],
    ["no name", { color: "#000000" }],
    ["a colour by its name", { name: "A", color: "red" }],
    ["a colour that closes the style", { name: "A", color: "#000}</s" }],
    ["a logo that is no PNG", { name: "A", logo: Buffer.from("<svg onload=alert(1)>".padEnd(60)).toString("base64") }],
    ["a logo that is not all base64", { name: "A", logo: `${LOGO.slice(0, -4)}">==` }],
    ["a logo of too many bytes", { name: "A", logo: pngOf(10, 10, 16_385) }],
    ["a logo of too many pixels", { name: "A", logo: pngOf(1_025, 10, 100) }],
    ["a logo without pixels", { name: "A", logo: pngOf(0, 10, 100) }],
    ["what no brand has", { name: "A", script: "alert(1)" }]
  ])("is refused with %s", async (_, body) => {
    expect((await send("PUT", organization, body)).status).toBe(400)
    expect((await send("GET", organization)).json.name).toBeNull()
  })

  // By a pattern that matches letters in two ways it takes eight seconds, in which nobody else is answered.
  it("is refused at once, however long its name", { timeout: 3_000 }, async () => {
    expect((await send("PUT", organization, { name: `${"x".repeat(60_000)}\n` })).status).toBe(400)
  })

  it("takes a logo of the most bytes and pixels, and a name of any letters, as words", async () => {
    const name = `<b>"Ξενοδοχείο" & 'בית'</b>`
    expect((await send("PUT", organization, { name, logo: pngOf(1_024, 1_024, 16_384) })).status).toBe(200)
    expect(brandOn(await pageOf((await makeLink(server)).url))).toContain('alt="&lt;b&gt;&quot;Ξενοδοχείο')
    await send("PUT", organization, { name })
    expect(brandOn(await pageOf((await makeLink(server)).url))).toContain("&lt;b&gt;")
    await send("DELETE", organization)
  })
})

describe("the operator's brand", () => {
  const read = (env: Readonly<Record<string, string>>) =>
    run(Effect.result(Effect.provide(serverConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))
  const folder = mkdtempSync(join(tmpdir(), "brand-"))
  afterAll(() => rmSync(folder, { recursive: true }))
  const fileOf = (name: string, bytes: Buffer) => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const good = fileOf("good.png", Buffer.from(LOGO, "base64"))

  it.each([
    [{}, undefined],
    [{ LATCHKEY_BRAND_COLOR: "#0D6B4F" }, { color: "#0d6b4f" }],
    [
      { LATCHKEY_BRAND_NAME: "Harbour Hotel", LATCHKEY_BRAND_LOGO: good },
      { name: "Harbour Hotel", logo: { png: LOGO, width: 120, height: 40 } }
    ]
  ])("by %j is %j", async (env, brand) => {
    expect(await read(env)).toMatchObject({ _tag: "Success", success: { brand } })
  })

  it.each([
    ["LATCHKEY_BRAND_COLOR", { LATCHKEY_BRAND_COLOR: "green" }],
    ["LATCHKEY_BRAND_NAME", { LATCHKEY_BRAND_NAME: "x".repeat(81) }],
    ["LATCHKEY_BRAND_NAME", { LATCHKEY_BRAND_LOGO: good }],
    ["LATCHKEY_BRAND_LOGO", { LATCHKEY_BRAND_NAME: "A", LATCHKEY_BRAND_LOGO: join(folder, "none.png") }],
    ["LATCHKEY_BRAND_LOGO", { LATCHKEY_BRAND_NAME: "A", LATCHKEY_BRAND_LOGO: fileOf("svg.png", Buffer.from("<svg/>")) }]
  ])("with a bad %s keeps the server from starting", async (variable, env) => {
    expect(await read(env)).toMatchObject({ _tag: "Failure", failure: { variable } })
  })
})

describe("the colour of a brand", () => {
  const colour = fc
    .tuple(fc.nat(255), fc.nat(255), fc.nat(255))
    .map((rgb) => `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`)

  it("can be read on every ground, and what is written on it too, whichever it is", () => {
    fc.assert(
      fc.property(colour, fc.constantFrom("light" as const, "dark" as const), (color, scheme) => {
        const { brand, soft, on } = shadesOf(color, scheme)
        const { ground, card } = GROUNDS[scheme]
        for (const behind of [ground, card, soft, on]) expect(contrast(brand, behind)).toBeGreaterThanOrEqual(4.5)
      })
    )
  })

  it("stays itself where it can be read already", () => {
    expect(shadesOf("#0d6b4f", "light").brand).toBe("#0d6b4f")
    expect(shadesOf("#63cfa6", "dark").brand).toBe("#63cfa6")
    expect(contrast("#000000", "#ffffff")).toBe(21)
  })

  it("is measured against the grounds that pages have", () => {
    const css = readFileSync(new URL("../../src/pages/assets/tokens.css", import.meta.url), "utf8")
    const [light = "", dark = ""] = css.split("prefers-color-scheme: dark")
    for (const [scheme, part] of [
      ["light", light],
      ["dark", dark]
    ] as const) {
      for (const [name, value] of Object.entries(GROUNDS[scheme])) expect(part).toContain(`--${name}: ${value};`)
    }
  })

  it("is all that the style of a page says, and the page allows that style and no other", async () => {
    const { text, headers } = await (await makeLink(server)).page()
    const style = /<style>([^<]*)<\/style>/.exec(text)?.[1] ?? expect.fail("no style")
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style))
    expect(headers.get("content-security-policy")).toContain(
      `style-src 'self' 'sha256-${Buffer.from(digest).toString("base64")}';`
    )
  })
})
