/** The `latchkey` command as a shell runs it: by the first line of its file, to its end. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { dirname } from "node:path"
import { text } from "node:stream/consumers"
import { type Environment, inherited, MAIN, NO_DEVICES } from "./process.ts"

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command with these variables, and a PATH. */
export const latchkey = async (
  environment: Environment,
  args: ReadonlyArray<string>,
  stdin: string | Buffer = "",
  cwd?: string
): Promise<Outcome> => {
  const child = spawn(MAIN, args, {
    cwd,
    env: { ...inherited(`${dirname(process.execPath)}:${process.env["PATH"]}`), ...NO_DEVICES, ...environment }
  })
  child.stdin.on("error", () => {}) // A command that refuses need not read what it is given.
  child.stdin.end(stdin)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
  return { code, stdout, stderr }
}

/** Runs the command, which must succeed and say nothing on stderr; answers its stdout. */
export const succeed = async (...run: Parameters<typeof latchkey>): Promise<string> => {
  const { code, stdout, stderr } = await latchkey(...run)
  if (code !== 0 || stderr !== "") throw new Error(`latchkey ${run[1].join(" ")} ended with ${code}:\n${stderr}`)
  return stdout
}
