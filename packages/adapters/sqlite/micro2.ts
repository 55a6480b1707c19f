import { rmSync } from "node:fs"
import { openDatabase } from "./src/Database.ts"
import { EventLog as NewLog } from "./src/EventLog.ts"
import { migrations } from "./src/migrations.ts"
import { EventLog as OldLog } from "./src/old/EventLog.ts"
import { migrations as oldMigrations } from "./src/old/migrations.ts"
const [which, receipts, orgs] = process.argv.slice(2)
const file = `/tmp/sq/micro2-${which}.db`
for (const s of ["", "-wal", "-shm", ".witness"]) rmSync(file + s, { force: true })
const isOld = which === "old"
const db = openDatabase(file, { synchronous: "OFF", migrations: isOld ? oldMigrations : migrations, busyTimeout: 0 })
const log: any = isOld ? new OldLog(db) : new NewLog(db)
let seq = 0
const uuid7 = () => { const h = (1_767_225_600_000 + seq++).toString(16).padStart(12, "0"); return h.slice(0, 8) + "-" + h.slice(8) + "-7" + crypto.randomUUID().slice(15) }
const versions = new Array(2000).fill(0)
const N = 100_000, nOrgs = Number(orgs)
const request = (i: number) => {
  const n = i % 2000, id = uuid7(), streamId = `lock-${n}`, expected = versions[n]++
  const e = [id + "-1", "KeyAdded", '{"lockId":17,"userId":"u-1234","keyIndexNumber":3,"timestamp":"2026-01-01T00:00:00.000Z"}', 1_767_225_600_000 + i, nOrgs === 0 ? "" : `org-${n % nOrgs}`, '{"_tag":"User","userId":"u-1234","orgId":"org-7"}', id, null]
  if (isOld) return { op: "append", streamId, expected, events: [e], receipt: receipts === "r" ? { id, fingerprint: "f".repeat(43), expiresAt: 1_967_225_600_000 + i } : undefined, mayPass: false }
  const expect: any[] = [`reservation/${streamId}`, undefined, `command/${id}`, undefined]
  if (receipts === "r") expect.push(`receipt/${id}`, undefined)
  return { now: 1_767_225_600_000 + i, expect, append: [[streamId, expected, [e]]], ...(receipts === "r" && { put: [`receipt/${id}`, JSON.stringify({ fingerprint: "f".repeat(43), streamId, firstVersion: expected, version: expected }), 1_967_225_600_000 + i] }) }
}
const go = (n: number, from: number) => { let cpu = 0; for (let i = from; i < from + n; i += 32) { const g = Array.from({ length: 32 }, (_, k) => request(i + k)); const c = process.cpuUsage(); log.commit(g); const u = process.cpuUsage(c); cpu += u.user + u.system } return cpu / n }
go(20000, 0)
console.log(which, receipts, orgs, go(N, 20000).toFixed(2), "µs/req cpu in commit")
db.close()
