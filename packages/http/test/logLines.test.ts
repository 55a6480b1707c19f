/** However often somebody asks while something is away, the log does not grow by it. */
import { expect, it } from "vitest"
import { bearer, organization, token } from "./harness/callers.ts"
import { startInProcess } from "./harness/inProcess.ts"
import { createLock, tempKey } from "./harness/locks.ts"
import { callsOf } from "./harness/request.ts"

const ROUNDS = 5

it.each([{ readModel: "down" }, { store: "down" }] as const)("with %j, lines come once a minute", async (faults) => {
  await using server = await startInProcess({ timeStandsStill: true })
  const lock = await createLock(server.url)
  await lock.post("SetOwner", { userId: "ann" })
  const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey({ validUntil: "2026-01-02T00:00:00Z" }))).body
  const [asOrganization, asUser] = [
    callsOf(server.url, organization),
    callsOf(server.url, bearer(token({ sub: "ann" })))
  ]
  const asGuest = callsOf(server.url, {})
  const round = async () => {
    await asUser("GET", "/users/ann/owned-locks")
    await asOrganization("GET", "/temp-keys")
    await asUser("GET", `${lock.path}/temp-keys`)
    await asGuest("GET", `/temp-keys/${tempKeyUuid}`)
    await asGuest("GET", `/temp-keys/${crypto.randomUUID()}`)
    await asGuest("POST", `/temp-keys/${tempKeyUuid}/open`, { body: {} })
    await asUser("POST", `${lock.path}/OpenLock`, { body: {} })
    await asGuest("POST", `${lock.path}/open-with-pin`, { body: { pin: "12345678" } })
  }
  Object.assign(server.faults, faults)
  for (let n = 0; n < ROUNDS; n++) {
    let isOver = false
    const asking = round().finally(() => void (isOver = true))
    // Some answers wait a moment for the read model, which never comes.
    while (!isOver) await server.pass(100)
    await asking
    // What goes on in the background fails, and tries again.
    await server.pass(5_000)
  }
  const lines = server.log.map((line) => /message=.*/.exec(line)?.[0])
  expect(lines.length).toBeGreaterThan(0)
  expect(lines).toEqual([...new Set(lines)])
})
