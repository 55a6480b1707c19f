/** The `latchkey` command as it is installed, run to its end. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

interface Environment {
  readonly [name: string]: string
}

/** It keeps what V8 makes of the modules. */
const LATCHKEY = fileURLToPath(new URL("./latchkey.ts", import.meta.resolve("@latchkey/http/client")))

export const latchkey = (args: ReadonlyArray<string>, env: Environment): void => node([LATCHKEY, ...args], env)

export const node = (args: ReadonlyArray<string>, env: Environment = {}): void => {
  const { status } = spawnSync(process.execPath, args, {
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}; what it said is above.`)
}
