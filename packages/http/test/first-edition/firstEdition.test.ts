/** What the first edition stored opens, and answers as it did: see README.md beside this file. */
import { chmodSync, cpSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { expect, it, vi } from "vitest"
import { latchkey } from "../harness/command.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
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
 * The one difference: an opening that was passed while it was in doubt has the time of what passed it. The first edition
 * told when it was asked for, so that times went backwards.
 */
const inOrder = (answer: Answered["answer"]): Answered["answer"] =>
  JSON.parse(
    JSON.stringify(answer).replaceAll(
      '"timestamp":"2026-03-02T09:00:37.615Z"',
      '"timestamp":"2026-03-02T09:00:41.665Z"'
    )
  )

it("a folder of the first edition answers as it did: questions, receipts, links, PINs, and what was under way", {
  timeout: 90_000
}, async () => {
  using folder = opened()
  const environment = { ...configured(folder.path), ...clockAt(OPENED_AT), LATCHKEY_SHADOW_PORT: "0" }
  await using server = await startServer(environment)
  await vi.waitUntil(() => isSettled(server.url), { timeout: 20_000 })
  const who = callers(recording.made)
  const answersTo = async (asked: ReadonlyArray<Answered>) => {
    for (const question of asked) {
      const { method, path, as, status, answer } = question
      const expected = { status, answer: inOrder(answer) }
      expect(await ask(server.url, who, question), `${method} ${path} as ${as}`).toMatchObject(expected)
    }
  }
  await answersTo(recording.questions)
  const shadows = comparable(await shadowsIn(server, Object.keys(recording.shadows)), server.url)
  expect(shadows).toEqual(recording.shadows)
  await answersTo(recording.acts)
})

it("a log of the first edition is exported as it was, and its export imported", { timeout: 90_000 }, async () => {
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
