/** Standalone servers on one PostgreSQL: as they start, as they meet an outage, and as they see each other. */
import { expect, it, vi } from "vitest"
import { OWNER, organization, superKey } from "../harness/callers.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, runToEnd, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

it("goes on by itself after all its connections were ended, and keeps everything for the next start", async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const environment = { ...configured(folder.path), ...schema.environment }
  const lockId = newLockId()
  const create = (url: string, id: number) =>
    callsOf(url, organization)("POST", `/locks/${id}/CreateLock`, {
      body: { index: 1, uuid: newUuid(), ownerId: OWNER }
    })
  const owned = async (url: string) => (await callsOf(url, superKey)("GET", `/users/${OWNER}/owned-locks`)).body
  {
    await using server = await startServer(environment)
    expect((await create(server.url, lockId)).status).toBe(201)
    for (let turn = 0; turn < 3; turn++) {
      await schema.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        schema.schema
      )
      await vi.waitFor(async () => expect((await create(server.url, newLockId())).status).toBe(201), 60_000)
    }
    expect(await owned(server.url)).toMatchObject({ totalCount: 4, source: "postgres" })
    await vi.waitFor(async () => expect((await callsOf(server.url)("GET", "/ready")).status).toBe(200), 60_000)
    await server.kill()
  }
  await using server = await startServer(environment)
  expect(await owned(server.url)).toMatchObject({ totalCount: 4, source: "postgres" })
})

it("shows on one server what another one has answered, at once", async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const environment = { ...configured(folder.path), ...schema.environment }
  await using one = await startServer(environment)
  await using other = await startServer(environment)
  const lockId = newLockId()
  const body = { index: 1, uuid: newUuid(), ownerId: OWNER }
  expect((await callsOf(one.url, organization)("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(201)
  expect((await callsOf(other.url, organization)("GET", `/locks/${lockId}/details`)).status).toBe(200)
  // Made already, by the other one.
  expect((await callsOf(other.url, organization)("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(200)
})

it("does not start without, in one line that names the variable, and repeats no password", async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const environment = { ...configured(folder.path), ...schema.environment }
  for (const [variable, value] of [
    ["LATCHKEY_POSTGRES_URL", ""],
    ["LATCHKEY_POSTGRES_URL", "http://127.0.0.1"],
    ["LATCHKEY_POSTGRES_URL", "postgres://me:hunter2@127.0.0.1:1/test"],
    ["LATCHKEY_POSTGRES_URL", schema.url.replace("/test?", "/nobodys-database?")],
    ["LATCHKEY_POSTGRES_SCHEMA", "pg_catalog"]
  ] as const) {
    const { code, output } = await runToEnd({ ...environment, [variable]: value })
    expect([code, output]).toEqual([1, expect.stringContaining(`latchkey: ${variable}: `)])
    expect(output).not.toContain("hunter2")
  }
})
