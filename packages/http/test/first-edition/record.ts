/**
 * Makes `recorded/` beside this file: see README.md. Runs with the code of the edition that is to be recorded.
 *
 *     node packages/http/test/first-edition/record.ts
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { createLatchkey, type Principal } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect } from "effect"
import { type Credentials, organization, otherOrganization, superKey } from "../harness/callers.ts"
import { latchkey } from "../harness/command.ts"
import { configured, startServer } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { pathTo } from "../harness/routes.ts"
import { clockAt, OPENED_AT, RECORDED_AT, userThen } from "./clock.ts"
import { isSettled, shadowsIn } from "./opened.ts"
import { type Answered, ask, callers, comparable, type Question } from "./questions.ts"

if (Date.now() > OPENED_AT) {
  // Once more, and this time it is then.
  const env = { ...process.env, ...clockAt(RECORDED_AT) }
  process.exit(spawnSync(process.execPath, process.argv.slice(1), { env, stdio: "inherit" }).status ?? 1)
}

const here = fileURLToPath(new URL("recorded/", import.meta.url))
const folder = join(here, "folder")
rmSync(here, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const clock = { NODE_OPTIONS: process.env["NODE_OPTIONS"] ?? "", CLOCK_OFFSET: process.env["CLOCK_OFFSET"] ?? "" }
const environment = { ...configured(folder), ...clock }

const must = <A>(condition: boolean, value: A, ...said: ReadonlyArray<unknown>): A => {
  if (!condition) throw new Error(`unexpected: ${JSON.stringify(said)}`)
  return value
}
const until = async (condition: () => Promise<boolean>) => {
  for (let n = 0; n < 300; n++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error("It never came to pass.")
}

const thing = (n: number, kind = "0a10") => `${kind}0000-0000-4000-8000-${String(n).padStart(12, "0")}`
const link = (n: number) => thing(n, "7e3b")
const OWNER = "owner-1"
const HOLDER = "0b000000-0000-4000-8000-000000000002"
const long = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2099-01-01T00:00:00Z" }

// 1. A backend that embeds Latchkey: ids of its own choosing, one of them used three times, and a plain receipt.
{
  const embedded = await createLatchkey({ store: Sqlite.layer({ folder }), shadow: LocalShadow.layer({ folder }) })
  const org: Principal = { _tag: "Organization", orgId: "org-1" }
  let commands = 0
  const context = (lockId: number, principal: Principal = org) => ({
    lockId,
    principal,
    at: Date.now(),
    commandId: `embedded-${++commands}`
  })
  await embedded.execute({ ...context(1), _tag: "CreateLock", index: 1, uuid: thing(1), serialNumber: "SN/1" })
  const key = {
    _tag: "CreateTempKey" as const,
    tempKeyUuid: link(1),
    accessMode: "public" as const,
    maxUses: 9,
    ...long
  }
  await embedded.execute({ ...context(1), ...key })
  for (const _ of [1, 2, 3]) {
    await embedded.execute({ ...context(1), _tag: "UseTempKey", tempKeyUuid: link(1), commandId: "used-thrice" })
  }
  const receipt = { id: "receipt-of-a-backend", fingerprint: "open the front door" }
  await embedded.execute({ ...context(1), _tag: "OpenLock", reason: "ring", commandId: "embedded-open", receipt })
  await embedded.execute({ ...context(1, { _tag: "System" }), _tag: "SetOwner", userId: OWNER })
  await embedded.execute({ ...context(1, { _tag: "Super", userId: "operator" }), _tag: "AddResident", name: "Zoë 🔑" })
  // Enough for a snapshot.
  for (let n = 0; n < 70; n++)
    await embedded.execute({ ...context(1), _tag: "SetOwner", userId: n % 2 ? OWNER : `o-${n}` })
  await embedded.dispose()
}

// 2. The command line: keys of organizations, secrets of devices.
const made: Record<string, string> = {}
const run = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await latchkey(environment, args)
  return must(code === 0, { stdout: stdout.trim(), id: /(?:key|secret) (\S+)/.exec(stderr)?.[1] ?? "" }, stderr)
}
made["apiKey"] = (await run("keys", "create", "--org", "org-1", "--name", "front desk")).stdout
const revoked = await run("keys", "create", "--org", "org-2", "--expires-in", "90 days")
made["revokedApiKey"] = revoked.stdout
await run("keys", "revoke", revoked.id)
made["deviceSecret"] = (await run("devices", "create", thing(2))).stdout
await run("devices", "revoke", (await run("devices", "create", thing(2))).id)

// 3. A server with devices that answer, refuse, or leave it in doubt; killed at the end.
await using server = await startServer(environment, fileURLToPath(new URL("silentServer.ts", import.meta.url)))
const expectStatus = async (
  status: number,
  as: Credentials,
  path: string,
  body: unknown = {},
  headers: Credentials = {}
): Promise<Record<string, string>> => {
  const answer = await callsOf(server.url, as)(
    path.startsWith("DELETE ") ? "DELETE" : "POST",
    path.replace("DELETE ", ""),
    {
      ...(path.startsWith("DELETE ") ? {} : { body }),
      headers
    }
  )
  return must(answer.status === status, answer.text === "" ? {} : JSON.parse(answer.text), path, answer.text)
}
const ok = (as: Credentials, path: string, body?: unknown, headers?: Credentials) =>
  expectStatus(200, as, path, body, headers)
const create = (n: number, kind?: string, more: object = {}) =>
  expectStatus(201, organization, `/locks/${n}/CreateLock`, { index: n, uuid: thing(n, kind), ...more })
const owner = userThen(OWNER)
const holder = userThen(HOLDER)
const device = (thing: string, state: unknown) =>
  Effect.runPromise(
    Effect.flatMap(LocalShadow, (shadow) => shadow.update(thing, { state })).pipe(
      Effect.provide(LocalShadow.layer({ folder }))
    )
  )
const get = async (path: string) => JSON.parse((await callsOf(server.url, superKey)("GET", path)).text)

// Every command of a lock, by every kind of caller.
const keys = [
  { uuid: "fob-1", indexNumber: 1, userId: HOLDER },
  { uuid: "fob-2", indexNumber: 2 }
]
await create(2, undefined, { serialNumber: "SN/2", vendorName: "Acme", ownerId: OWNER, keys })
await ok(owner, "/locks/2/AddKey", { keyUuid: "fob-3", keyIndexNumber: 3, userId: "user-3" })
await ok(owner, "/locks/2/AddKey", { keyUuid: "fob-4" })
await ok(organization, "/locks/2/RemoveKey", { keyUuid: "fob-2" })
await ok(organization, "/locks/2/RemoveKey", { keyIndexNumber: 3 })
await ok(owner, "/locks/2/WriteKey", { keyUuid: "fob-1", keyIndexNumber: 1 })
await ok(holder, "/locks/2/OpenLock", { reason: "home again", requestId: "request-1" })
await ok(superKey, "/locks/2/OpenLock")
await ok(owner, "/locks/2/AddResident", {
  name: "Ada",
  email: "ada@example.org",
  phoneNumber: "+49 30 1",
  userId: "ada"
})
await ok(owner, "/locks/2/AddResident", { name: "\u202eadA\u001b[31m" })
await ok(owner, "/locks/2/AddResident", { name: "Bob", email: "bob@example.org" })
await ok(owner, "/locks/2/RemoveResident", { email: "bob@example.org" })
await ok(superKey, `/locks/2/${pathTo("LockUuidChanged")}`, { newUuid: thing(22) })
await ok(organization, "/locks/2/OpenLock", { reason: "on the new hardware" })

// Devices answer: done, and failed with a word of their own.
const answerOf = async (outcome: string, detail?: string) => {
  const { pendingCommands, uuid, recentOutcomes } = await get("/locks/2/details")
  const open = must(pendingCommands.length > 0, pendingCommands.at(-1))
  await device(uuid, {
    reported: { commands: { [open.commandId]: { outcome, at: Date.now(), ...(detail && { detail }) } } }
  })
  await until(async () => (await get("/locks/2/details")).recentOutcomes.length > recentOutcomes.length)
}
await answerOf("done")
await ok(organization, "/locks/2/OpenLock")
await answerOf("failed", "the bolt is blocked")
await device(thing(22), { reported: { battery: 80 } })

// Temp keys in every status, used and refused for every reason.
const tempKey = (n: number, more: object = {}) =>
  ok(owner, "/locks/2/create-temp-key", { tempKeyUuid: link(n), accessMode: "public", ...long, ...more })
const use = (status: number, n: number, body: object = {}) =>
  expectStatus(status, organization, "/locks/2/use-temp-key", { tempKeyUuid: link(n), ...body })
const schedule = { timeZone: "Europe/Berlin", windows: [{ days: ["monday", "sunday"], from: "22:00", to: "06:00" }] }
await tempKey(20, { description: "the plumber 🔧" })
await tempKey(21, { accessMode: "user-whitelist", allowedUserIds: [HOLDER], maxUses: 2 })
await tempKey(22, { schedule })
await tempKey(23, { maxUses: 1 })
await tempKey(24)
await tempKey(25, { validUntil: "2026-02-01T00:00:00Z" })
await tempKey(26, { validFrom: "2098-01-01T00:00:00Z" })
await ok(owner, "/locks/2/update-temp-key", { tempKeyUuid: link(20), maxUses: 50, schedule })
await ok(owner, "/locks/2/update-temp-key", { tempKeyUuid: link(20), schedule: null })
await ok(owner, "/locks/2/delete-temp-key", { tempKeyUuid: link(24) })
await use(200, 21, { userId: HOLDER })
await use(200, 23)
await use(400, 21, { userId: thing(9) })
for (const n of [22, 23, 25, 26]) await use(400, n)
await use(404, 24)
const guest = { accept: "application/json" }
await ok(guest, `/temp-keys/${link(20)}/open`)
await ok({ ...guest, ...holder }, `/temp-keys/${link(21)}/open`)

// A key to several doors: by link, by PIN, guessed at, and one that was revoked.
await create(3, undefined, { ownerId: OWNER })
const doors = [
  { lockId: "3", label: "Gate", accessMethod: "both" },
  { lockId: "2", label: "Flat", accessMethod: "code" },
  { lockId: "3", accessMethod: "key" }
]
const several = await expectStatus(201, organization, "/temp-keys", { ...long, description: "Summer", doors })
const mine = await expectStatus(201, owner, "/temp-keys", { ...long, doors: doors.slice(0, 1) })
const ended = await expectStatus(201, organization, "/temp-keys", { ...long, doors: doors.slice(0, 1) })
Object.assign(made, { link: several["uuid"], pin: several["pin"], ownersPin: mine["pin"], endedPin: ended["pin"] })
await ok(organization, `DELETE /temp-keys/${ended["uuid"]}`)
await ok(guest, `/temp-keys/${several["uuid"]}/doors/1/open`)
await ok({}, "/locks/3/open-with-pin", { pin: several["pin"] })
await ok(organization, "/locks/2/open-with-pin", { pin: several["pin"] })
await expectStatus(401, organization, "/locks/3/open-with-pin", { pin: ended["pin"] })
await expectStatus(401, {}, "/locks/3/open-with-pin", { pin: "0000" })

// What the first edition took, and a later one need not: nobody as owner, the same hardware twice, the same link twice.
await create(4, undefined, { ownerId: OWNER })
await ok(organization, "/locks/4/SetOwner", { userId: "" })
await ok(organization, "/locks/4/SetOrganization", { orgId: "" })
await expectStatus(201, otherOrganization, "/locks/5/CreateLock", { index: 5, uuid: thing(22) })
await ok(otherOrganization, "/locks/5/create-temp-key", { tempKeyUuid: link(20), accessMode: "public", ...long })
await ok(otherOrganization, "/locks/5/SetOrganization", { orgId: "org-3" })

// Receipts of idempotency keys, of a request for many keys, and of each of these.
const once = (key: string) => ({ "idempotency-key": key })
const replays: Array<Question> = []
const keep = async (as: "organization" | "owner" | "guest", path: string, body: object, idempotencyKey: string) => {
  const who = { organization, owner, guest }
  await ok(who[as], path, body, once(idempotencyKey))
  replays.push({ as, method: "POST", path, body, idempotencyKey })
}
await create(6, undefined, { ownerId: OWNER })
await keep("organization", "/locks/6/AddKey", { keyUuid: "fob-6", keyIndexNumber: 1 }, "add-once")
await keep("owner", "/locks/6/OpenLock", { reason: "once" }, "open-once")
await keep("owner", "/locks/6/SetOwner", { userId: OWNER }, "already-so")
await keep("guest", `/temp-keys/${link(20)}/open`, {}, "guest-once")
await keep("organization", "/locks/3/open-with-pin", { pin: several["pin"] }, "pin-once")
const many = {
  keys: [{ keyUuid: "bulk-1", keyIndexNumber: 7 }, { keyUuid: "fob-6" }, { keyUuid: "bulk-2", userId: HOLDER }]
}
await keep("organization", "/locks/6/BulkAddKeys", many, "bulk-once")
const { instanceId: bulk = "" } = await ok(organization, "/locks/6/BulkAddKeys", many, once("bulk-once"))
await until(async () => (await get(`/locks/6/BulkAddKeys/${bulk}`)).status === "done")

// What is prepared and never settled: with and without evidence, released and not, with a receipt, within a bulk request.
await create(11, "dead")
await create(12, "5e1f")
await create(13, "dead")
await create(14, "5e1f")
await create(15, "f001")
await create(16)
const inDoubt = { keyUuid: "fob-in-doubt", keyIndexNumber: 5 }
await Promise.all([
  expectStatus(502, organization, "/locks/11/OpenLock", { reason: "never sent" }, once("released-lost")),
  expectStatus(502, organization, "/locks/12/OpenLock", { reason: "sent" }, once("released-sent")),
  expectStatus(502, organization, "/locks/15/OpenLock")
])
// Appends pass what is released.
for (const n of [11, 12]) await ok(organization, `/locks/${n}/AddResident`, { name: "Eve" })

// A device is there when the server is killed, and another answers while no server is.
await Effect.runPromise(
  Effect.flatMap(LocalShadow, (shadow) => shadow.connected(thing(3))).pipe(
    Effect.provide(LocalShadow.layer({ folder }))
  )
)
const lastOpen = (await get("/locks/6/details")).pendingCommands.find(
  ({ type }: { type: string }) => type === "OpenLock"
)
const { events: history } = await get("/locks/2/events")
const rowsOf = (file: string, sql: string) => {
  const db = new DatabaseSync(join(folder, file), { readOnly: true })
  const rows = db
    .prepare(sql)
    .all()
    .map((row) => Object.values(row).join(" "))
  db.close()
  return rows
}
const idOf = (type: string) =>
  rowsOf("latchkey.db", `SELECT event_id FROM events WHERE type = '${type}' ORDER BY position`).at(-1) ?? ""
await until(async () => (await get(`/users/${OWNER}/owned-locks`)).totalCount === 4)

// Killed before it gives these up: they are not even released.
const lost = [
  callsOf(server.url, organization)("POST", "/locks/13/AddKey", { body: inDoubt }),
  callsOf(server.url, organization)("POST", "/locks/14/AddKey", { body: inDoubt, headers: once("sent") })
].map((call) => call.catch(() => undefined))
const halfDone = await ok(organization, "/locks/16/BulkAddKeys", {
  keys: [{ keyUuid: "fob-a" }, { keyUuid: "5e1f-b" }, { keyUuid: "fob-c" }]
})
const unsettled = "SELECT stream, released FROM reservations WHERE settled_at IS NULL ORDER BY stream"
await until(async () => rowsOf("latchkey.db", unsettled).join() === "lock-11 1,lock-12 1,lock-13 0,lock-14 0,lock-16 0")
await until(
  async () =>
    rowsOf("shadow.db", "SELECT thing FROM shadow WHERE content LIKE '%5e1f-b%' OR thing LIKE '5e1f%14'").length === 2
)
await server.kill()
await Promise.all(lost)
await device(thing(6), { reported: { commands: { [lastOpen.commandId]: { outcome: "done", at: Date.now() } } } })

for (const name of ["latchkey.db", "read-model.db", "shadow.db"]) {
  const db = new DatabaseSync(join(folder, name))
  // Of a process that nobody can have started.
  if (name === "shadow.db") db.exec("UPDATE presence SET writer = '99999999' || substr(writer, instr(writer, '-'))")
  db.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
  db.close()
  for (const beside of ["-wal", "-shm"]) rmSync(join(folder, name + beside), { force: true })
}

// 4. The export, and what the edition itself answers an hour later, from a copy.
const exported = join(here, "export.ndjson")
const copy = join(here, "copy")
cpSync(folder, copy, { recursive: true })
const later = { ...configured(copy), ...clockAt(OPENED_AT), LATCHKEY_SHADOW_PORT: "0" }
must(
  (await latchkey({ ...environment, LATCHKEY_DATA: copy }, ["events", "export", "--out", exported])).code === 0,
  exported
)

const locks = [1, 2, 3, 5, 6, 11, 12, 13, 14, 15, 16]
const at = (version: number) => encodeURIComponent(history[version - 1].timestamp)
const asks: ReadonlyArray<Question> = [
  ...locks.flatMap((n) =>
    ["details", "basic-info", "residents", "temp-keys", "events"].map(
      (question): Question => ({ as: "superKey", method: "GET", path: `/locks/${n}/${question}` })
    )
  ),
  { as: "superKey", method: "GET", path: "/locks/4/events" },
  { as: "owner", method: "GET", path: `/users/${OWNER}/owned-locks` },
  { as: "organization", method: "GET", path: "/temp-keys" },
  { as: "owner", method: "GET", path: "/temp-keys?lockId=3" },
  { as: "madeKey", method: "GET", path: "/locks/2/basic-info" },
  { as: "revokedKey", method: "GET", path: "/locks/2/basic-info" },
  { as: "otherOrganization", method: "GET", path: "/locks/5/basic-info" },
  { as: "holder", method: "GET", path: "/locks/2/basic-info" },
  { as: "organization", method: "GET", path: `/locks/6/BulkAddKeys/${bulk}` },
  { as: "organization", method: "GET", path: `/locks/16/BulkAddKeys/${halfDone["instanceId"]}` },
  ...[
    ...[20, 21, 22, 23, 24, 25, 26].map((n) => `tempKeyUuid=${link(n)}`),
    `tempKeyUuid=${link(21)}&userId=${HOLDER}`,
    `tempKeyUuid=${link(23)}&at=${at(history.findIndex(({ type }: { type: string }) => type === "TempKeyUsed") + 2)}`,
    "keyUuid=fob-1",
    `userId=${OWNER}`,
    "userId=nobody",
    `attemptId=${idOf("TempKeyUsed")}`
  ].map((query): Question => ({ as: "owner", method: "GET", path: `/locks/2/explain?${query}` })),
  ...[
    "pinAttempt=last",
    `pinOf=${several["uuid"]}`,
    `attemptId=${idOf("PinRefused")}`,
    `tempKeyUuid=${several["uuid"]}`
  ].map((query): Question => ({ as: "organization", method: "GET", path: `/locks/3/explain?${query}` })),
  {
    as: "owner",
    method: "POST",
    path: "/locks/2/simulate-update-temp-key",
    body: { tempKeyUuid: link(21), maxUses: 1 }
  }
]
/** What opens, and what is answered a second time: in this order, after all questions. */
const acts: ReadonlyArray<Question> = [
  ...replays,
  { as: "organization", method: "POST", path: "/locks/14/AddKey", body: inDoubt, idempotencyKey: "sent" },
  {
    as: "organization",
    method: "POST",
    path: "/locks/12/OpenLock",
    body: { reason: "sent" },
    idempotencyKey: "released-sent"
  },
  { as: "organization", method: "POST", path: "/locks/11/OpenLock", body: {} },
  { as: "organization", method: "POST", path: "/locks/13/AddKey", body: inDoubt },
  { as: "organization", method: "POST", path: "/locks/15/OpenLock", body: {} },
  { as: "guest", method: "POST", path: `/temp-keys/${several["uuid"]}/doors/1/open`, body: {} },
  { as: "guest", method: "POST", path: `/temp-keys/${link(20)}/open`, body: {} },
  { as: "guest", method: "POST", path: `/temp-keys/${link(24)}/open`, body: {} },
  { as: "guest", method: "POST", path: "/locks/2/open-with-pin", body: { pin: several["pin"] } },
  { as: "organization", method: "POST", path: "/locks/3/open-with-pin", body: { pin: mine["pin"] } },
  { as: "organization", method: "POST", path: "/locks/3/open-with-pin", body: { pin: ended["pin"] } },
  { as: "holder", method: "POST", path: "/locks/2/OpenLock", body: {} }
]
const again = await startServer(later)
await until(() => isSettled(again.url))
const who = callers(made)
const answered: Array<Answered> = []
for (const question of asks) answered.push({ ...question, ...(await ask(again.url, who, question)) })
const things = [thing(1), thing(2), thing(22), thing(3), thing(6), thing(12, "5e1f"), thing(14, "5e1f"), thing(16)]
const shadows = comparable(await shadowsIn(again, things), again.url)
const acted: Array<Answered> = []
for (const question of acts) acted.push({ ...question, ...(await ask(again.url, who, question)) })
await again.kill()
rmSync(copy, { recursive: true })

const commit = spawnSync("git", ["rev-parse", "HEAD"], { cwd: here, encoding: "utf8" }).stdout.trim()
writeFileSync(
  join(here, "answers.json"),
  `${JSON.stringify({ commit, made, questions: answered, shadows, acts: acted }, undefined, 1)}\n`
)
const packages = new URL("../../../", import.meta.url)
const frozen = fileURLToPath(new URL("simulator/test/first-edition/vectors.json", packages))
mkdirSync(dirname(frozen), { recursive: true })
copyFileSync(fileURLToPath(new URL("../docs/device-protocol/vectors.json", packages)), frozen)
process.stdout.write(`${readFileSync(exported, "utf8").split("\n").length - 1} events\n`)
