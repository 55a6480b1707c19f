/** `latchkey explain`, beside a running server. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { superKey, user } from "./harness/callers.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { configured, type Server, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const folder = temporaryFolder()
const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
let server: Server
beforeAll(async () => {
  server = await startServer(configured(folder.path))
  const call = callsOf(server.url, superKey)
  await call("POST", "/locks/42/CreateLock", { body: { index: 1, uuid: tempKeyUuid, ownerId: "ann" } })
  const schedule = { timeZone: "Asia/Kathmandu", windows: [{ days: ["monday"], from: "09:00", to: "11:00" }] }
  const dates = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2099-01-01T00:00:00Z" }
  await call("POST", "/locks/42/create-temp-key", { body: { tempKeyUuid, accessMode: "public", ...dates, schedule } })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

const explain = (...args: ReadonlyArray<string>) =>
  succeed(configured(folder.path), ["explain", "--lock", "42", ...args])

it("says in words what decides, when that changes, and what it rests on", async () => {
  // A Monday, a quarter to six in the morning UTC, after everything that happened.
  const said = await explain("--temp-key", tempKeyUuid, "--at", "2098-12-29T05:45:00Z")
  expect(said.split("\n").map((line) => line.replaceAll(/ {2}\S*[Z-]\S*( {2}|$)/g, "  … "))).toEqual([
    "Lock 42 at 2098-12-29T05:45:00.000Z (version 2): refused by schedule",
    "The temp key is not valid yet (not-yet-valid).",
    "On the wall: monday 11:30 (Asia/Kathmandu)",
    "Time alone changes the status next at 2099-01-01T00:00:00.000Z",
    "Rests on:",
    expect.stringMatching(/^ {2}2 {2}TempKeyCreated {2}… /),
    ""
  ])
})

it("says what a user may do", async () => {
  expect(await explain("--user", "ann")).toContain("allowed by owner\nThe user owns the lock.")
  expect(await explain("--user", "eve")).toContain("refused by no-right")
})

it("says in one line what is wrong with a question", async () => {
  const wrong = async (...args: ReadonlyArray<string>) => {
    const { code, stdout, stderr } = await latchkey(configured(folder.path), ["explain", ...args])
    expect([code, stdout]).toEqual([1, ""])
    return stderr
  }
  expect(await wrong("--lock", "42")).toContain("--temp-key")
  expect(await wrong("--lock", "42", "--user", "ann", "--at", "noon")).toContain("--at")
  expect(await wrong("--lock", "999", "--user", "ann")).toBe(
    "latchkey: There is no lock 999. Create it with CreateLock first.\n"
  )
})

it("shows what a stranger wrote as text: it moves no cursor and forges no line", async () => {
  const forger = "\x1b[2J\x9b1m\u202eeve\nLock 42: allowed"
  const body = { index: 1, uuid: "7e3b0000-0000-4000-8000-00000000000b" }
  expect((await callsOf(server.url, user(forger))("POST", "/locks/43/CreateLock", { body })).status).toBe(201)
  const said = await succeed(configured(folder.path), ["explain", "--lock", "43", "--user", forger])
  expect(said).toContain("The user owns the lock.")
  expect(said).toContain(String.raw`user \u001b[2J\u009b1m\u202eeve\u000aLock 42: allowed`)
  expect(said.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
  const { stderr } = await latchkey(configured(folder.path), ["keys", "revoke", forger])
  expect(stderr.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
  expect(stderr.trimEnd().split("\n")).toHaveLength(1)
})
