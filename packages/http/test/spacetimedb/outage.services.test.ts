/** The standalone server on SpacetimeDB: as it starts, and as it meets an outage. */
import { expect, it, vi } from "vitest"
import { OWNER, organization, superKey } from "../harness/callers.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"
import { asStore, publishTo, startSpacetime } from "../harness/spacetimedb.ts"

const spacetime = await startSpacetime()

it("serves commands and owned locks; an outage leaves the list empty and commands refused, until it ends", async () => {
  using folder = temporaryFolder()
  await using server = await startServer({ ...configured(folder.path), ...asStore(await publishTo(spacetime)) })
  const call = callsOf(server.url, organization)
  const lockId = newLockId()
  const owned = async () => (await call("GET", `/users/${OWNER}/owned-locks`)).body
  const create = (id: number) =>
    call("POST", `/locks/${id}/CreateLock`, { body: { index: 1, uuid: newUuid(), ownerId: OWNER } })

  expect((await create(lockId)).status).toBe(201)
  expect(await owned()).toMatchObject({ totalCount: 1, source: "spacetimedb" })

  await spacetime.down()
  expect(await owned()).toEqual({ locks: [], totalCount: 0, source: "unavailable" })
  expect((await create(newLockId())).status).toBe(503)
  expect(await owned()).toEqual({ locks: [], totalCount: 0, source: "unavailable" })

  await spacetime.up()
  await vi.waitFor(async () => expect(await owned()).toMatchObject({ totalCount: 1, source: "spacetimedb" }), 60_000)
  expect((await create(newLockId())).status).toBe(201)
  expect(await owned()).toMatchObject({ totalCount: 2, source: "spacetimedb" })
})

it("keeps everything for the next start", async () => {
  using folder = temporaryFolder()
  const environment = { ...configured(folder.path), ...asStore(await publishTo(spacetime)) }
  const lockId = newLockId()
  {
    await using server = await startServer(environment)
    const body = { index: 1, uuid: newUuid(), ownerId: OWNER }
    expect((await callsOf(server.url, superKey)("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(201)
    await server.kill()
  }
  await using server = await startServer(environment)
  const { body } = await callsOf(server.url, superKey)("GET", `/users/${OWNER}/owned-locks`)
  expect(body).toMatchObject({ totalCount: 1, source: "spacetimedb" })
})
