/** One bash session: commands run one after another and share variables and folder. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"

export interface Ran {
  /** Standard output and standard error, as a terminal shows them. */
  readonly output: string
  readonly exitCode: number
}

export class Shell {
  readonly #bash
  #ended = false
  #output = ""
  #changed: () => void = () => {}

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    this.#bash = spawn("bash", ["--noprofile", "--norc"], {
      cwd,
      env,
      detached: true,
      stdio: ["pipe", "pipe", "inherit"]
    })
    this.#bash.on("exit", () => {
      this.#ended = true
      this.#changed()
    })
    this.#bash.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.#output += chunk
      this.#changed()
    })
    this.#bash.stdin.write("exec 2>&1\n")
  }

  /** Fails when the session ends instead of answering. */
  async run(command: string): Promise<Ran> {
    const mark = `--${randomUUID()}--`
    this.#output = ""
    // The commands come in on standard input: none of them may read it.
    this.#bash.stdin.write(`{ :\n${command}\n} </dev/null\nprintf '\\n%s%s\\n' ${mark} $?\n`)
    while (true) {
      const [, output, exitCode] = new RegExp(`^([^]*)\\n${mark}(\\d+)\\n`).exec(this.#output) ?? []
      if (output !== undefined) return { output, exitCode: Number(exitCode) }
      if (this.#ended) throw new Error(`The shell ended at: ${command}\n${this.#output}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** Ends the session and everything it started. */
  async close(): Promise<void> {
    const { pid } = this.#bash
    if (pid === undefined) return
    const isLeft = (signal: NodeJS.Signals | 0) => {
      try {
        return process.kill(-pid, signal)
      } catch {
        return false
      }
    }
    isLeft("SIGTERM")
    while (isLeft(0)) await sleep(20)
  }
}
