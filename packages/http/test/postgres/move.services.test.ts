/** A log moves from a folder to PostgreSQL and back, and nothing of it changes. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { OWNER, superKey } from "../harness/callers.ts"
import { latchkey, succeed } from "../harness/command.ts"
import { newLockId, newUuid } from "../harness/locks.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { callsOf } from "../harness/request.ts"

// Eight processes one after the other.
it("by export and import, and serves what it served", async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const at = (name: string) => join(folder.path, name)
  const exported = (name: string) => readFileSync(at(name), "utf8")
  const [first, last] = [{ LATCHKEY_DATA: at("first") }, { LATCHKEY_DATA: at("last") }]
  const lockId = newLockId()
  {
    await using server = await startServer({ ...configured(at("first")), ...first })
    const call = callsOf(server.url, superKey)
    const body = { index: 1, uuid: newUuid(), ownerId: OWNER }
    expect((await call("POST", `/locks/${lockId}/CreateLock`, { body })).status).toBe(201)
    for (let n = 0; n < 20; n++) {
      await call("POST", `/locks/${lockId}/SetOwner`, { body: { userId: n % 2 === 0 ? "somebody" : OWNER } })
    }
  }
  await succeed(first, ["events", "export", "--out", at("one")])
  await succeed(schema.environment, ["events", "import", at("one")])
  const { stderr } = await latchkey(schema.environment, ["events", "import", at("one")])
  expect(stderr).toMatch(/already holds events.*LATCHKEY_POSTGRES_SCHEMA/)
  await succeed(schema.environment, ["events", "export", "--out", at("two")])
  await succeed(last, ["events", "import", at("two")])
  await succeed(last, ["events", "export", "--out", at("three")])
  expect(exported("two")).toBe(exported("one"))
  expect(exported("three")).toBe(exported("one"))

  await using server = await startServer({ ...configured(at("first")), ...schema.environment })
  const { status, body } = await callsOf(server.url, superKey)("GET", `/users/${OWNER}/owned-locks`)
  expect([status, body]).toEqual([200, expect.objectContaining({ totalCount: 1, source: "postgres" })])
})
