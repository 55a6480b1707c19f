/** Names of receivers, asked of a name server of the test's own. */
import { createSocket, type RemoteInfo } from "node:dgram"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decode, encode, type RecordType } from "dns-packet"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { addressesOf } from "../../src/partners/Names.ts"

/** What it says of each name; of those that are not here, that they do not exist. */
const answers: Record<string, Partial<Record<RecordType, ReadonlyArray<string>>> | "silent" | "broken"> = {
  "both.example": { A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:db8::1"] },
  "four.example": { A: ["192.0.2.3"] },
  "six.example": { AAAA: ["2001:db8::2"] },
  "empty.example": {},
  "broken.example": "broken"
}
const server = createSocket("udp4")
let asked: Array<string> = []

server.on("message", (message: Buffer, { port, address }: RemoteInfo) => {
  const { id, questions = [] } = decode(message)
  const [question] = questions
  if (question === undefined) return
  const { name, type } = question
  asked.push(name)
  const known = name.startsWith("silent-") ? "silent" : answers[name]
  if (known === "silent") return
  // NXDOMAIN and SERVFAIL, RFC 1035, section 4.1.1.
  const code = known === undefined ? 3 : known === "broken" ? 2 : 0
  const data = typeof known === "object" ? (known[type] ?? []) : []
  const found = data.map((data) => ({ name, type: type as "A", ttl: 0, data }))
  server.send(encode({ type: "response", id: id ?? 0, flags: 0x180 | code, questions, answers: found }), port, address)
})

let servers: ReadonlyArray<string>
let folder: string
beforeAll(async () => {
  server.bind(0, "127.0.0.1")
  await once(server, "listening")
  servers = [`127.0.0.1:${server.address().port}`]
  folder = await mkdtemp(join(tmpdir(), "latchkey-names-"))
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

describe("the addresses of a name", () => {
  it.each([
    ["both.example", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]],
    ["four.example", ["192.0.2.3"]],
    ["six.example", ["2001:db8::2"]],
    ["empty.example", []],
    ["nobody.example", []]
  ])("are all that its name server gives: %s", async (name, addresses) => {
    expect(await addressesOf(name, { servers })).toEqual(addresses)
  })

  it("cannot be told while its name server is at fault", async () => {
    await expect(addressesOf("broken.example", { servers })).rejects.toMatchObject({ code: "EAI_AGAIN" })
  })

  it("are those of the file of hosts, where they are in it", async () => {
    const hosts = join(folder, "hosts")
    await writeFile(
      hosts,
      "# four.example\n10.0.0.1 other four.example # mine\nfd00::1\tFOUR.example\n10.0.0.2 four.example.com\n"
    )
    asked = []
    expect(await addressesOf("Four.Example.", { servers, hosts })).toEqual(["10.0.0.1", "fd00::1"])
    expect(asked).toEqual([])
    expect(await addressesOf("both.example", { servers, hosts })).toHaveLength(3)
  })

  it("of this machine are those of this machine, whatever anybody says", async () => {
    asked = []
    for (const name of ["localhost", "LOCALHOST.", "a.localhost"])
      expect(await addressesOf(name, { servers, hosts: "/nowhere" })).toEqual(["127.0.0.1", "::1"])
    expect(asked).toEqual([])
  })

  it("are found while fifty other names hang", async () => {
    const hanging = Array.from({ length: 50 }, (_, n) => addressesOf(`silent-${n}.example`, { servers }))
    const failed = Promise.allSettled(hanging)
    const first = await Promise.race([
      addressesOf("four.example", { servers }),
      Promise.race(hanging).catch(() => "one that hung")
    ])
    expect(first).toEqual(["192.0.2.3"])
    for (const outcome of await failed) expect(outcome).toMatchObject({ reason: { code: "EAI_AGAIN" } })
  })
})
