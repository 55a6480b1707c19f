/**
 * A server whose database has a full disk: data and write-ahead log on one small file system. Some of what PostgreSQL cannot
 * write ends it; then it is started again and again, as whatever looks after it does.
 */
import { expect, it } from "vitest"
import { meetFullDisk } from "../harness/fullDisk.ts"
import { startPostgresOn } from "../harness/postgresOnDisk.ts"
import { configured, startServer, temporaryFolder } from "../harness/process.ts"
import { makeSmallDisk } from "../harness/smallDisk.ts"

it("answers 503 while the database has no room, loses nothing that it answered, and goes on by itself", {
  timeout: 900_000
}, async () => {
  await using disk = await makeSmallDisk(96)
  await using postgres = await startPostgresOn(disk, 4)
  using folder = temporaryFolder()
  const environment = {
    ...configured(folder.path),
    LATCHKEY_STORE: "postgres",
    LATCHKEY_POSTGRES_URL: postgres.url,
    LATCHKEY_PIN_KEY: "a-key-for-pins-of-thirty-two-bytes"
  }
  await using server = await startServer(environment)
  await meetFullDisk(server.url, disk, 0)
  expect(server.output()).toContain("its disk is full: make room")
})
