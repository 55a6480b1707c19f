/** What the first edition stored opens, and answers as it did: see README.md beside this file. */
import { chmodSync, cpSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { commandTable } from "@latchkey/core"
import { expect, it, vi } from "vitest"
import { commandRoutes } from "../../src/api/commandRoutes.ts"
import { superKey } from "../harness/callers.ts"
import { latchkey } from "../harness/command.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { clockAt, OPENED_AT } from "./clock.ts"
import { isSettled, shadowsIn } from "./opened.ts"
import { type Answered, ask, callers, comparable } from "./questions.ts"

const recorded = fileURLToPath(new URL("recorded/", import.meta.url))
const exported = join(recorded, "export.ndjson")

interface Recording {
  /** Secrets that were shown when they were made. */
  readonly made: Readonly<Record<string, string>>
  readonly questions: ReadonlyArray<Answered>
  /** State by thing, before anything is opened. */
  readonly shadows: Readonly<Record<string, unknown>>
  readonly acts: ReadonlyArray<Answered>
}
const recording: Recording = JSON.parse(readFileSync(join(recorded, "answers.json"), "utf8"))

/** The recording in a folder of its own, which ends with the test. */
const opened = () => {
  const folder = temporaryFolder()
  cpSync(join(recorded, "folder"), folder.path, { recursive: true })
  // As it is on a disk: Git knows no such mode.
  for (const file of readdirSync(folder.path)) chmodSync(join(folder.path, file), 0o600)
  return folder
}

/** The events; a later export says more before and after them. */
const eventsIn = (ndjson: string) =>
  ndjson
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => "eventId" in line)
    .map(({ format: _, ...event }) => event)

/**
 * The first difference: an opening that was passed while it was in doubt has the time of what passed it. The first edition
 * told when it was asked for, so that times went backwards.
 */
const inOrder = (answer: Answered["answer"]): Answered["answer"] =>
  JSON.parse(
    JSON.stringify(answer).replaceAll(
      '"timestamp":"2026-03-02T09:00:37.615Z"',
      '"timestamp":"2026-03-02T09:00:41.665Z"'
    )
  )

/** The second: what an organization gave is valid no more once the lock is another's. */
const asGiven = ({ path, answer }: Answered): Answered["answer"] =>
  path === "/locks/5/temp-keys"
    ? JSON.parse(JSON.stringify(answer).replace('"status":"valid"', '"status":"not-yet-valid","withdrawn":true'))
    : answer

/** The third: the list of temp keys has keys of both kinds. */
const amongOthers = ({ method, path }: Answered, answer: Answered["answer"]): unknown =>
  method === "GET" &&
  /^\/temp-keys($|\?)/.test(path) &&
  typeof answer === "object" &&
  answer !== null &&
  "tempKeys" in answer
    ? {
        tempKeys: expect.arrayContaining(
          (answer.tempKeys as ReadonlyArray<object>).map((key) => expect.objectContaining(key))
        )
      }
    : answer

/** The fourth: while locks 2 and 5 are on one thing, what is explained of them as they are is that they open to nobody. */
const asDisputed = ({ path }: Answered, answer: Answered["answer"]): unknown => {
  if (!/^\/locks\/[25]\/explain/.test(path) || typeof answer !== "object" || answer === null) return answer
  const { allowed, rule, version, recorded, message: _, ...rest } = { rule: "", version: 0, ...answer } as Explained
  if (recorded !== null || version !== 36) return answer
  const isIt = (now: unknown) => now === "disputed" || (allowed !== true && now === rule)
  return { ...rest, version, allowed: false, rule: expect.toSatisfy(isIt) }
}
type Explained = Readonly<Record<"allowed" | "rule" | "version" | "recorded" | "message", unknown>>

it("a folder of the first edition answers as it did: questions, receipts, links, PINs, and what was under way", async () => {
  using folder = opened()
  const environment = { ...configured(folder.path), ...clockAt(OPENED_AT), LATCHKEY_SHADOW_PORT: "0" }
  await using server = await startServer(environment)
  await vi.waitUntil(() => isSettled(server.url), { timeout: 60_000 })
  const who = callers(recording.made)
  const answersTo = async (asked: ReadonlyArray<Answered>) => {
    for (const question of asked) {
      const { method, path, as, status } = question
      const answer = asDisputed(question, amongOthers(question, inOrder(asGiven(question))) as object)
      // What a lock in dispute would refuse is not simulated either.
      const isRefused = status === 200 && /^\/locks\/[25]\/simulate/.test(path)
      const expected = isRefused ? { status: 409, answer: { error: "Device in dispute" } } : { status, answer }
      expect(await ask(server.url, who, question), `${method} ${path} as ${as}`).toMatchObject(expected)
    }
  }
  await answersTo(recording.questions)
  const shadows = comparable(await shadowsIn(server, Object.keys(recording.shadows)), server.url)
  expect(shadows).toEqual(recording.shadows)
  await decideDispute(server.url)
  await answersTo(recording.acts)
})

/**
 * The first edition let lock 5 have the thing of lock 2. Neither opens by any credential until the operator says whose it
 * is: here, lock 2's.
 */
const decideDispute = async (url: string) => {
  const others = recording.acts.filter(
    ({ path, idempotencyKey }) => path.startsWith("/locks/2/open-with-pin") && idempotencyKey === undefined
  )
  expect(others).not.toEqual([])
  const who = callers(recording.made)
  const open = { as: "holder", method: "POST", path: "/locks/2/OpenLock", body: {} } as const
  expect(await ask(url, who, open)).toMatchObject({ status: 409 })
  // To strangers the right PIN is as wrong as any other.
  for (const act of others) expect(await ask(url, who, act)).toMatchObject({ status: 401 })
  const [change] = Object.values(commandRoutes).filter(({ tag }) => commandTable[tag].event === "LockUuidChanged")
  const path = change?.endpoint.path.replace(":id", "5") ?? ""
  const body = { newUuid: "0a100000-0000-4000-8000-000000000055" }
  expect((await callsOf(url, superKey)("POST", path, { body })).status).toBe(200)
}

it("a log of the first edition is exported as it was, and its export imported", async () => {
  using folder = opened()
  using empty = temporaryFolder()
  const run = async (data: string, ...args: ReadonlyArray<string>) => {
    const { code, stdout, stderr } = await latchkey({ LATCHKEY_DATA: data }, ["events", ...args])
    expect(code, stderr).toBe(0)
    return stdout
  }
  const before = eventsIn(readFileSync(exported, "utf8"))
  const imported = run(join(empty.path, "data"), "import", exported)
  expect(eventsIn(await run(folder.path, "export"))).toEqual(before)
  await imported
  expect(eventsIn(await run(join(empty.path, "data"), "export"))).toEqual(before)
})

it("the recording has every kind of stream, event, reservation and receipt, and an id that came several times", () => {
  const lines = readFileSync(exported, "utf8").trimEnd().split("\n")
  const events: ReadonlyArray<{ readonly streamId: string; readonly type: string; readonly eventId: string }> =
    lines.map((line) => JSON.parse(line))
  expect([...new Set(events.map(({ type }) => type))].sort()).toEqual([
    "ApiKeyCreated",
    "ApiKeyRevoked",
    "BulkAddKeysRequested",
    "BulkKeyAdded",
    "BulkKeyFailed",
    "CommandOutcomeReported",
    "DeviceSecretCreated",
    "DeviceSecretRevoked",
    "KeyAdded",
    "KeyRemoved",
    "KeyWriteRequested",
    "LockCreated",
    "LockOpenRequested",
    "LockUuidChanged",
    "OrganizationSet",
    "OwnerSet",
    "PinRefused",
    "ResidentAdded",
    "ResidentRemoved",
    "SharedCredentialCreated",
    "SharedCredentialPinSet",
    "SharedCredentialRevoked",
    "TempKeyCreated",
    "TempKeyDeleted",
    "TempKeyRefused",
    "TempKeyUpdated",
    "TempKeyUsed"
  ])
  const kinds = new Set(events.map(({ streamId }) => /^[a-z]+(-attempts)?/.exec(streamId)?.[0]))
  expect([...kinds].sort()).toEqual([
    "attempts",
    "bulk",
    "credential",
    "device",
    "lock",
    "organization",
    "pin-attempts"
  ])
  expect(events.filter(({ eventId }) => eventId === "used-thrice-1")).toHaveLength(3)
  using folder = opened()
  const rows = (sql: string) => {
    const db = new DatabaseSync(join(folder.path, "latchkey.db"))
    try {
      return db
        .prepare(sql)
        .all()
        .map((row) => Object.values(row).join(" "))
    } finally {
      db.close()
    }
  }
  expect(
    rows(
      `SELECT DISTINCT CASE WHEN version IS NOT NULL THEN 'committed' WHEN settled_at IS NOT NULL THEN 'discarded'
         WHEN released THEN 'released' ELSE 'unsettled' END AS kind FROM reservations ORDER BY kind`
    )
  ).toEqual(["committed", "discarded", "released", "unsettled"])
  expect(
    rows(
      `SELECT DISTINCT CASE WHEN id LIKE 'outcome-%' THEN 'outcome' WHEN id = fingerprint THEN 'bulk'
         WHEN length(id) = 43 THEN 'idempotency' ELSE 'plain' END AS kind FROM receipts ORDER BY kind`
    )
  ).toEqual(["bulk", "idempotency", "outcome", "plain"])
  expect(rows("SELECT stream FROM snapshots")).toEqual(["lock-1"])
})
