/** The URLs of strangers: what is not public is not reached, in whatever spelling, and what was checked is what is connected to. */
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { Deliver } from "@latchkey/core"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PinSecret } from "../../src/auth/PinSecret.ts"
import { mayReach, parseNetworks } from "../../src/partners/Addresses.ts"
import { flawOf, httpDeliver, type WebhookOptions } from "../../src/partners/HttpDeliver.ts"
import { PIN_KEY } from "../harness/callers.ts"

const PRIVATE = `
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.0.1 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::10.0.0.1 2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe::
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2001:2::1 2001:10::1 2001:20::1 100::1 fc00::1 fd00:ec2::254
fdff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 3fff::1 5f00::1 nonsense 1.2.3 01.2.3.4
`
const PUBLIC =
  "1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 2606:4700:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::"

const words = (text: string) => text.trim().split(/\s+/)

describe("an address", () => {
  it.each(words(PRIVATE))("%s is not reached", (address) => expect(mayReach(address, [])).toBe(false))
  it.each(words(PUBLIC))("%s is reached", (address) => expect(mayReach(address, [])).toBe(true))

  it("is reached in a network that the operator allows, and in no other", () => {
    const networks = parseNetworks("10.1.0.0/16, fd00:8::/32,192.168.7.7") ?? expect.fail("not read")
    for (const address of ["10.1.2.3", "fd00:8::1", "192.168.7.7", "::ffff:10.1.2.3"])
      expect(mayReach(address, networks)).toBe(true)
    for (const address of ["10.2.0.1", "fd00:9::1", "192.168.7.8"]) expect(mayReach(address, networks)).toBe(false)
    for (const text of ["10.0.0.0/33", "ten", "", "10.0.0.0/8,"]) expect(parseNetworks(text)).toBeUndefined()
  })
})

/** Networks that no partner's host is in, each by its first and last address, and one between. */
const RESERVED = [
  ["this network", "0.0.0.0", "0.255.255.255"],
  ["private", "10.0.0.0", "10.255.255.255"],
  ["carrier-grade NAT", "100.64.0.0", "100.127.255.255"],
  ["loopback", "127.0.0.0", "127.255.255.255"],
  ["link-local, with the metadata of clouds", "169.254.0.0", "169.254.255.255"],
  ["private", "172.16.0.0", "172.31.255.255"],
  ["of the IETF", "192.0.0.0", "192.0.0.255"],
  ["documentation", "192.0.2.0", "192.0.2.255"],
  ["6to4 relays", "192.88.99.0", "192.88.99.255"],
  ["private", "192.168.0.0", "192.168.255.255"],
  ["benchmarks", "198.18.0.0", "198.19.255.255"],
  ["documentation", "198.51.100.0", "198.51.100.255"],
  ["documentation", "203.0.113.0", "203.0.113.255"],
  ["multicast", "224.0.0.0", "239.255.255.255"],
  ["reserved, with the broadcast", "240.0.0.0", "255.255.255.255"]
] as const

const numberOf = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
const partsOf = (number: number) => [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256)

/** How the host of a URL may be written that is this IPv4 address, or leads to it. */
const spellings = (number: number): ReadonlyArray<string> => {
  const [a = 0, b = 0, c = 0, d = 0] = partsOf(number)
  const dotted = [a, b, c, d].join(".")
  const hex = (part: number, digits = 2) => part.toString(16).padStart(digits, "0")
  const octal = (part: number) => `0${part.toString(8)}`
  const [high, low] = [hex(a) + hex(b), hex(c) + hex(d)]
  const wide = [...dotted]
    .map((char) => (char === "." ? "\u3002" : String.fromCodePoint(0xff10 + Number(char))))
    .join("")
  return [
    dotted,
    `${dotted}.`,
    String(number),
    `0x${number.toString(16)}`,
    `0X${number.toString(16).toUpperCase()}`,
    octal(number),
    [a, b, c, d].map((part) => `0x${hex(part)}`).join("."),
    [a, b, c, d].map(octal).join("."),
    `${octal(a)}.0x${hex(b)}.${c}.${d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${b * 65_536 + c * 256 + d}`,
    `0x${hex(a)}.${b * 65_536 + c * 256 + d}`,
    dotted.replaceAll(".", "%2e"),
    wide,
    `[::ffff:${dotted}]`,
    `[::FFFF:${high}:${low}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[0000:0000:0000:0000:0000:ffff:${dotted}]`,
    `[::${high}:${low}]`,
    `[::ffff:0:${high}:${low}]`,
    `[64:ff9b::${dotted}]`,
    `[0064:ff9b:0000::${high}:${low}]`,
    `[64:ff9b:1::${high}:${low}]`,
    `[2002:${high}:${low}::]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:${high}:${low}::1]`
  ]
}

describe("however it is spelt, no URL leads to a network that is", () => {
  it.each(RESERVED)("%s: %s to %s", (_, from, to) => {
    const [first, last] = [numberOf(from), numberOf(to)]
    for (const number of [first, Math.floor((first + last) / 2), last]) {
      for (const host of spellings(number)) {
        const url = `https://${host}/`
        // What no browser takes for a host is refused as well.
        expect([url, flawOf(url, {})]).toEqual([url, expect.any(String)])
      }
    }
  })

  it("while those of a public address are taken, but where they are of networks that lead nowhere", () => {
    const taken = spellings(numberOf("93.184.216.34")).filter((host) => flawOf(`https://${host}/`, {}) === undefined)
    // Of the 26: IPv4-compatible and -translated, NAT64 of one's own, and Teredo are refused whatever they carry.
    expect(taken).toHaveLength(22)
  })
})

describe("a URL", () => {
  it.each([
    "https://0x7f.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://[::1]/",
    "https://[::ffff:7f00:1]/",
    "https://localhost/",
    "https://api.localhost./",
    "https://0/",
    "https://①②⑦.0.0.1/",
    "http://example.org/",
    "http://127.0.0.1/",
    "https://user@example.org/",
    "https://:secret@example.org/",
    "file:///etc/passwd",
    "https://example.org/#fragment"
  ])("%s is refused", (url) => expect(flawOf(url, {})).toEqual(expect.any(String)))

  it("of a public host is not; of this machine only in development", () => {
    expect(flawOf("https://example.org:8443/hook?a=b", {})).toBeUndefined()
    for (const url of ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/"]) {
      expect(flawOf(url, { loopback: true })).toBeUndefined()
      expect(flawOf(url, {})).toEqual(expect.any(String))
    }
    expect(flawOf("http://10.0.0.1/", { loopback: true })).toEqual(expect.any(String))
  })
})

const NOT_PUBLIC = "The name does not exist, or does not lead to public addresses alone"

/** Sends once. */
const sendTo = (url: string) =>
  Effect.flatMap(Deliver, (deliver) =>
    deliver.send({
      webhook: { id: "1", orgId: "org-1", url, signature: "hmac", secrets: [{ index: 1 }] },
      id: "event-1",
      body: "{}",
      at: 1_788_166_800_000
    })
  )

/** With a resolver of the test's own. */
const runWith = <A>(options: WebhookOptions, sending: Effect.Effect<A, never, Deliver>): Promise<A> =>
  sending.pipe(
    Effect.provide(httpDeliver(options).pipe(Layer.provide(PinSecret.layerOf(PIN_KEY)))),
    Effect.scoped,
    Effect.runPromise
  )

const send = (url: string, options: WebhookOptions) => runWith(options, sendTo(url))

describe("a delivery", () => {
  let server: Server
  let port: number
  let requests = 0
  const answers: Record<string, (response: import("node:http").ServerResponse) => void> = {
    "/": (response) => void response.end("thanks"),
    "/moved": (response) => void response.writeHead(301, { location: `http://127.0.0.1:${port}/` }).end(),
    "/later": (response) => void response.writeHead(503, { "retry-after": "120" }).end(),
    "/half": (response) => {
      response.writeHead(200, { "content-length": "100" })
      response.write("only")
      setImmediate(() => response.destroy())
    },
    "/endless": (response) => {
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(65_536))) {}
        response.once("drain", more)
      }
      more()
    },
    "/strange": (response) => void response.end("a\0b\ud800"),
    "/busy": (response) => void response.writeHead(429, { "retry-after": "7" }).end(),
    "/gone": (response) => void response.writeHead(410).end(),
    "/closed": (response) => void response.writeHead(200, { connection: "close" }).end(),
    "/headers": (response) => void response.writeHead(200, { "x-much": "x".repeat(20_000) }).end(),
    /** Takes the request, and says nothing. */
    "/silent": () => {},
    /** Something every moment, and never all. */
    "/slow": (response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write("."), 5)
      response.once("close", () => clearInterval(drip))
    }
  }
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests++
      request.resume()
      answers[request.url ?? "/"]?.(response)
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    ;({ port } = server.address() as AddressInfo)
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const own = { loopback: true }

  it("asks the resolver once, and connects to what it said", async () => {
    let asked = 0
    const resolve = async () => [++asked === 1 ? "127.0.0.1" : "10.0.0.1"]
    expect(await send(`http://partner.example:${port}/`, { ...own, resolve })).toMatchObject({
      status: 200,
      response: "thanks"
    })
    expect(asked).toBe(1)
  })

  it("asks anew for another connection, and does not make it where the answer has changed", async () => {
    const before = requests
    let asked = 0
    const resolve = async () => [++asked === 1 ? "127.0.0.1" : "10.0.0.1"]
    const url = `http://partner.example:${port}/closed`
    const answers = await runWith({ ...own, resolve }, Effect.all([sendTo(url), sendTo(url)]))
    expect(answers).toMatchObject([{ status: 200 }, { error: NOT_PUBLIC }])
    expect([asked, requests]).toEqual([2, before + 1])
  })

  it("goes on to the next address of a name where nobody listens at one", async () => {
    const resolve = async () => ["127.0.0.9", "::1", "127.0.0.1"]
    const url = `http://partner.example:${port}/`
    expect(await send(url, { ...own, resolve })).toMatchObject({ status: 200, response: "thanks" })
  })

  it("to an address that is not public is not sent", async () => {
    for (const host of ["10.0.0.1", "[fd00::1]", "127.0.0.1"])
      expect(await send(`https://${host}:${port}/`, {})).toMatchObject({ error: NOT_PUBLIC })
  })

  it.each([
    ["that leads to a private address", ["10.0.0.1"]],
    ["that leads to several, one of them private", ["8.8.8.8", "169.254.169.254"]],
    ["that leads to this machine", ["127.0.0.1"]],
    ["that leads nowhere", []]
  ])("to a name %s is not sent", async (_, addresses) => {
    const before = requests
    const answered = await send(`https://partner.example:${port}/`, { resolve: async () => addresses })
    expect(answered).toMatchObject({ error: NOT_PUBLIC })
    expect(answered.status).toBeUndefined()
    expect(requests).toBe(before)
  })

  it("does not tell whether a private name exists", async () => {
    const resolve = async (name: string) => {
      if (name === "private.example") return ["10.0.0.1"]
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" })
    }
    for (const name of ["private.example", "nobody.example"])
      expect(await send(`https://${name}/`, { resolve })).toMatchObject({ error: NOT_PUBLIC, response: "" })
  })

  it("follows no redirect", async () => {
    const before = requests
    expect(await send(`http://127.0.0.1:${port}/moved`, own)).toMatchObject({ status: 301 })
    expect(requests).toBe(before + 1)
  })

  it("says what was asked for, what broke off, and where nobody listens", async () => {
    expect(await send(`http://127.0.0.1:${port}/later`, own)).toMatchObject({ status: 503, retryAfter: 120_000 })
    expect((await send(`http://127.0.0.1:${port}/half`, own)).error).toEqual(expect.any(String))
    const closed = createTcpServer()
    closed.listen(0, "127.0.0.1")
    await once(closed, "listening")
    const { port: free } = closed.address() as AddressInfo
    closed.close()
    expect(await send(`http://127.0.0.1:${free}/`, own)).toMatchObject({ error: "The connection was refused" })
  })

  it("says what is asked for by one who is busy, and by one who is gone", async () => {
    expect(await send(`http://127.0.0.1:${port}/busy`, own)).toMatchObject({ status: 429, retryAfter: 7_000 })
    expect(await send(`http://127.0.0.1:${port}/gone`, own)).toMatchObject({ status: 410 })
  })

  it("takes no more headers than it needs", async () => {
    const { status, error } = await send(`http://127.0.0.1:${port}/headers`, own)
    expect([status, error]).toEqual([undefined, expect.any(String)])
  })

  it("is given up after 15 seconds, whatever has been said so far, and a connection that does not come about before that", async () => {
    const begun = performance.now()
    const nowhere = send(`http://partner.example:${port}/`, { ...own, resolve: () => new Promise(() => {}) })
    const answers = await Promise.all(["/silent", "/slow"].map((path) => send(`http://127.0.0.1:${port}${path}`, own)))
    expect(performance.now() - begun).toBeGreaterThan(14_500)
    expect(await nowhere).toMatchObject({ error: "No connection in time", response: "" })
    for (const { status, error, response } of answers)
      expect([status, error, response]).toEqual([undefined, "No answer within 15 seconds", ""])
  })

  it("reads a little of an answer without end, and keeps what can be kept", async () => {
    expect(await send(`http://127.0.0.1:${port}/endless`, own)).toMatchObject({
      status: 200,
      response: "x".repeat(1_000)
    })
    expect((await send(`http://127.0.0.1:${port}/strange`, own)).response).toBe("a\ufffdb\ufffd")
  })
})
