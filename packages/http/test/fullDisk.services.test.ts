/** A server whose disk is really full. */
import { it } from "vitest"
import { meetFullDisk } from "./harness/fullDisk.ts"
import { configured, MAIN, startServer } from "./harness/process.ts"
import { makeSmallDisk } from "./harness/smallDisk.ts"

it("is not ready and answers 503 without doing anything by halves, and goes on once there is room", {
  timeout: 300_000
}, async () => {
  await using disk = await makeSmallDisk(24)
  await using server = await startServer(configured(disk.path), MAIN, disk.inside())
  await meetFullDisk(server.url, disk, 300_000)
})
