/** A Mosquitto of the test's own, to which anybody may connect. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./freePort.ts"

export const startMosquitto = async (): Promise<AsyncDisposable & { readonly url: string }> => {
  const program = ["mosquitto", "/usr/sbin/mosquitto"].find((name) => spawnSync(name, ["-h"]).error === undefined)
  if (program === undefined) throw new Error("mosquitto is not installed: run scripts/install-services")
  const folder = mkdtempSync(join(tmpdir(), "latchkey-mosquitto-"))
  const port = await freePort()
  writeFileSync(join(folder, "mosquitto.conf"), `listener ${port} 127.0.0.1\nallow_anonymous true\n`)
  const broker = spawn(program, ["-c", join(folder, "mosquitto.conf")], { stdio: ["ignore", "ignore", "pipe"] })
  for await (const line of broker.stderr) if (/running/.test(String(line))) break
  broker.stderr.resume()
  return {
    url: `mqtt://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      broker.kill()
      await once(broker, "exit")
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
