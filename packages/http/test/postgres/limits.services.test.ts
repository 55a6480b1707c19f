/**
 * Three servers that all guests use at once, by turns, while nobody tells one server of what another has written: a temp key
 * opens as often as its limit says, and a budget of PINs is used up by exactly so many.
 */
import { afterAll, beforeAll, expect, it } from "vitest"
import { user } from "../harness/callers.ts"
import { cutListening } from "../harness/cutListening.ts"
import { createLock, makeShared, shared, type TestLock, tempKey } from "../harness/locks.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Server, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

const [SERVERS, GUESTS, MOST] = [3, 40, 7]
const BUDGETS = {
  LATCHKEY_BUDGET_LINK: "off",
  LATCHKEY_BUDGET_GUESTS: "off",
  LATCHKEY_BUDGET_USER: "off",
  // One comes back in an hour.
  LATCHKEY_BUDGET_PIN_CALLER: `${MOST}+1`
}

const folder = temporaryFolder()
const schema = newSchema()
const servers: Array<Server> = []
const stop = cutListening(schema)
let lock: TestLock

beforeAll(async () => {
  const environment = { ...configured(folder.path), ...schema.environment, ...BUDGETS }
  for (let n = 0; n < SERVERS; n++) servers.push(await startServer(environment))
  lock = await createLock(servers[0]?.url ?? "")
}, 600_000)

afterAll(async () => {
  for (const server of servers) await server.kill()
  expect(await stop()).toBeGreaterThan(SERVERS)
  await schema[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** What each guest is told in the end, one server after the other, as the same request however often it is asked. */
const answersTo = (path: string, body: object, headers: (guest: number) => object) =>
  Promise.all(
    Array.from({ length: GUESTS }, async (_, guest) => {
      for (let n = guest; ; n++) {
        const call = callsOf(servers[n % SERVERS]?.url ?? "", { accept: "application/json", ...headers(guest) })
        const { status } = await call("POST", path, { body })
        // Another guest was quicker, again and again.
        if (status < 500) return status
      }
    })
  )

const counted = (statuses: ReadonlyArray<number>) =>
  Object.fromEntries([...Map.groupBy(statuses, (status) => status)].map(([status, { length }]) => [status, length]))

it("a temp key opens as often as its limit says", { timeout: 900_000 }, async () => {
  const terms = tempKey({ maxUses: MOST })
  expect((await lock.post("create-temp-key", terms)).status).toBe(200)
  const statuses = await answersTo(`/temp-keys/${terms.tempKeyUuid}/open`, {}, (guest) => ({
    "idempotency-key": `opens-${guest}`
  }))
  expect(counted(statuses)).toEqual({ 200: MOST, 400: GUESTS - MOST })
  const { body } = await lock.get("events")
  expect(body.events?.filter(({ type }) => type === "TempKeyUsed")).toHaveLength(MOST)
})

it("of one caller's wrong PINs so many are judged as the budget holds", { timeout: 900_000 }, async () => {
  const { pin } = await makeShared(servers[0]?.url ?? "", shared(lock.lockId))
  const caller = user("guesser", { exp: 4_000_000_000 })
  const wrong = pin === "12345678" ? "87654321" : "12345678"
  const statuses = await answersTo(`${lock.path}/open-with-pin`, { pin: wrong }, () => caller)
  expect(counted(statuses)).toEqual({ 401: MOST, 429: GUESTS - MOST })
  for (const { url } of servers)
    expect((await callsOf(url, caller)("POST", `${lock.path}/open-with-pin`, { body: { pin } })).status).toBe(429)
})
