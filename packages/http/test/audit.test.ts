/** An audit of one lock, as a file: whole, readable by a spreadsheet and by a program, and harmless to both. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { OWNER, owner, STRANGER, stranger } from "./harness/callers.ts"
import { expectProblem } from "./harness/contract.ts"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock, versionsUpTo } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

/** RFC 4180, read to the letter. */
const readCsv = (text: string): ReadonlyArray<Readonly<Record<string, string>>> => {
  const rows: Array<Array<string>> = []
  let rest = text
  let row: Array<string> = []
  while (rest !== "") {
    const [whole, cell = "", end = ""] = /^"((?:[^"]|"")*)"(,|\r\n)/.exec(rest) ?? expect.unreachable(rest.slice(0, 80))
    row.push(cell.replaceAll('""', '"'))
    if (end !== ",") {
      rows.push(row)
      row = []
    }
    rest = rest.slice(whole.length)
  }
  const [header = [], ...records] = rows
  return records.map((record) => {
    expect(record).toHaveLength(header.length)
    return Object.fromEntries(record.map((cell, index) => [header[index], cell]))
  })
}

const get = (path: string, as = owner) => callsOf(server.url, as)("GET", path)

describe("an audit", () => {
  it("is the whole history, as CSV and as JSON, one row for each version", async () => {
    const lock = await furnishedLock(server.url)
    for (let n = 0; n < 119; n++) await lock.post("AddResident", { name: `Guest "${n}"`, userId: `guest-${n}` })
    await lock.post("OpenLock", { reason: 'parcel "119",\r\nleft' })
    const csv = await get(`${lock.path}/audit.csv`)
    expect([csv.status, csv.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8; header=present"])
    expect(csv.headers.get("content-disposition")).toBe(`attachment; filename="lock-${lock.lockId}-audit.csv"`)
    const rows = readCsv(csv.text)
    expect(rows.map(({ version }) => Number(version))).toEqual(versionsUpTo(125))
    expect(new Set(rows.map(({ lastVersion }) => lastVersion))).toEqual(new Set(["125"]))

    const ndjson = await get(`${lock.path}/audit.ndjson`)
    expect(ndjson.headers.get("content-type")).toBe("application/x-ndjson")
    const lines = ndjson.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines.map(({ version }) => version)).toEqual(versionsUpTo(125))
    expect(lines.at(-1)).toMatchObject({
      lastVersion: 125,
      type: "LockOpenRequested",
      via: "API",
      principal: { type: "Organization", orgId: "org-1" },
      event: { type: "LockOpenRequested", data: { reason: 'parcel "119",\r\nleft' } }
    })
    expect(JSON.parse(rows.at(-1)?.["data"] ?? "")).toEqual(lines.at(-1).event.data)
    expect(readCsv((await get(`${lock.path}/audit.csv?after=120`)).text).map(({ version }) => version)).toEqual([
      "121",
      "122",
      "123",
      "124",
      "125"
    ])
    for (const text of [csv.text, ndjson.text]) expect(text).not.toContain(lock.sharedUuid)
  })

  it.each(["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\t=1", " =cmd|' /C calc'!A0", "＝1"])(
    "gives a spreadsheet no formula: %j",
    async (name) => {
      const lock = await furnishedLock(server.url)
      await lock.post("SetOwner", { userId: name })
      await callsOf(server.url)("POST", `${lock.path}/OpenLock`, { body: {}, headers: owner })
      const csv = await lock.get("audit.csv")
      for (const row of readCsv(csv.text))
        for (const cell of Object.values(row)) expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]/)
    }
  )

  it("shows each side its own time, and that the rest is there", async () => {
    const lock = await furnishedLock(server.url)
    await callsOf(server.url, owner)("POST", `${lock.path}/SetOwner`, { body: { userId: STRANGER } })
    const bought = await get(`${lock.path}/audit.csv`, stranger)
    expect(readCsv(bought.text).map(({ version, shown, type }) => [version, shown, type])).toEqual([
      ["1", "hardware", "LockCreated"],
      ["2", "nothing", ""],
      ["3", "nothing", ""],
      ["4", "nothing", ""],
      ["5", "hardware", "KeyAdded"],
      ["6", "all", "OwnerSet"]
    ])
    for (const word of ["ada@example.org", "Ada"]) expect(bought.text).not.toContain(word)
    const sold = readCsv((await get(`${lock.path}/audit.csv`, owner)).text)
    expect(sold.map(({ version, userId }) => [version, userId])).toEqual([
      ["2", ""],
      ["3", ""],
      ["4", ""],
      ["5", ""],
      ["6", OWNER]
    ])
  })

  it("is for those who may see the history, and refuses what it does not know", async () => {
    const lock = await furnishedLock(server.url)
    for (const file of ["audit.csv", "audit.ndjson"]) {
      expectProblem(403, (await get(`${lock.path}/${file}`, stranger)).body)
      expectProblem(404, (await callsOf(server.url, owner)("GET", `/locks/999999/${file}`)).body)
      expect((await lock.get(`${file}?before=2`)).body.details?.map(({ field }) => field)).toEqual(["before"])
      expect((await lock.get(`${file}?after=-1`)).body.details?.map(({ field }) => field)).toEqual(["after"])
      const head = await callsOf(server.url, owner)("HEAD", `${lock.path}/${file}`)
      expect([head.status, head.text]).toEqual([200, ""])
    }
  })
})
