/** A revoked API key is refused by all servers within two seconds, also while nobody can tell them of what another one has written. */
import { setTimeout as sleep } from "node:timers/promises"
import { expect, it, vi } from "vitest"
import { apiKey, OWNER, organization, superKey } from "../harness/callers.ts"
import { cutListening } from "../harness/cutListening.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { startPooler } from "../harness/pgbouncer.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Environment, type Server, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

const PROMISED = 2_000
const ROUNDS = 6

/** Makes keys at one server and revokes them at the next; answers for how many milliseconds one was still good anywhere. */
const longestGood = async (environment: Environment): Promise<number> => {
  using folder = temporaryFolder()
  const servers: Array<Server> = []
  const at = (n: number) => servers[n % servers.length]?.url ?? ""
  try {
    for (let n = 0; n < 3; n++) servers.push(await startServer({ ...configured(folder.path), ...environment }))
    const lockId = newLockId()
    const body = { index: 1, uuid: newUuid(), ownerId: OWNER }
    expect((await callsOf(at(0), organization)("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(201)
    let longest = 0
    for (let round = 0; round < ROUNDS; round++) {
      const made = await callsOf(at(round), organization)("POST", "/api-keys", { body: { scopes: ["read"] } })
      expect(made.status).toBe(201)
      const { id, key } = JSON.parse(made.text)
      const asked = async (_: Server, n: number) =>
        (await callsOf(at(n), apiKey(key))("GET", `/locks/${lockId}/details`)).status
      const all = () => Promise.all(servers.map(asked))
      await vi.waitUntil(async () => (await all()).every((status) => status === 200), 60_000)
      expect((await callsOf(at(round + 1), superKey)("DELETE", `/api-keys/${id}`)).status).toBe(200)
      const revoked = performance.now()
      const since = () => performance.now() - revoked
      const lastGood = async (server: Server, n: number) => {
        let last = 0
        while (since() < PROMISED + 1_000) {
          const begun = since()
          if ((await asked(server, n)) === 200) last = begun
          await sleep(20)
        }
        return last
      }
      longest = Math.max(longest, ...(await Promise.all(servers.map(lastGood))))
      expect(await all()).toEqual(servers.map(() => 401))
    }
    return longest
  } finally {
    for (const server of servers) await server.kill()
  }
}

it("with the sessions that listen ended again and again", { timeout: 900_000 }, async () => {
  await using schema = newSchema()
  const stop = cutListening(schema)
  const longest = await longestGood(schema.environment).finally(stop)
  const cuts = await stop()
  console.log(`${cuts} sessions ended; a key was good for ${Math.round(longest)} ms`)
  expect(cuts).toBeGreaterThan(ROUNDS)
  expect(longest).toBeLessThan(PROMISED)
})

it("through a pooler in transaction mode, which passes on no notification", { timeout: 900_000 }, async () => {
  await using schema = newSchema()
  await using pooler = await startPooler(schema.url)
  const longest = await longestGood({ ...schema.environment, LATCHKEY_POSTGRES_URL: pooler.url })
  console.log(`a key was good for ${Math.round(longest)} ms`)
  expect(longest).toBeLessThan(PROMISED)
})
