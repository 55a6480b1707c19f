/** Runs the code blocks of a Markdown text, top to bottom, in a folder of its own. The conventions: CONTRIBUTING.md. */
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { expect } from "vitest"
import { freePort, healthy } from "../server.ts"
import { type Block, blocksOf, type Command, commandsOf } from "./blocks.ts"
import { Shell } from "./Shell.ts"
import { Values } from "./Values.ts"

const root = join(import.meta.dirname, "../..")
const OWN = [".git", "data", "dist", "reports"]
/** The server's ports in the text, by variable, and one for a program beside it. */
const PORTS = {
  PORT: "8787",
  LATCHKEY_MQTT_PORT: "8788",
  LATCHKEY_SHADOW_PORT: "8789",
  OTHER_PORT: "8790"
} as const
type Ports = { readonly [variable in keyof typeof PORTS]: string }
const STARTS_SERVER = /(^|\s)(npm start|latchkey serve)\b/

export class Document {
  readonly blocks: ReadonlyArray<Block>
  readonly #folder: string
  readonly #shell: Shell
  readonly #values = new Values()
  /** The server's ports in this run. */
  readonly #ports: Ports

  private constructor(blocks: ReadonlyArray<Block>, folder: string, ports: Ports) {
    this.blocks = blocks
    this.#folder = folder
    this.#ports = ports
    this.#shell = new Shell(folder, environment(folder, ports))
  }

  static async open(markdown: string): Promise<Document> {
    const blocks = blocksOf(markdown)
    const folder = mkdtempSync(join(tmpdir(), "latchkey-readme-"))
    // The folder looks like a checkout, so that commands and imports work, but what they write stays in it.
    for (const name of readdirSync(root)) {
      if (!OWN.includes(name)) symlinkSync(join(root, name), join(folder, name))
    }
    return new Document(blocks, folder, {
      PORT: String(await freePort()),
      LATCHKEY_MQTT_PORT: String(await freePort()),
      LATCHKEY_SHADOW_PORT: String(await freePort()),
      OTHER_PORT: String(await freePort())
    })
  }

  async close(): Promise<void> {
    await this.#shell.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Typechecks all `ts` blocks at once, as strictly as the packages. */
  async typecheck(): Promise<void> {
    const files = this.blocks.filter(({ language }) => language === "ts").map((block) => this.#write(block))
    if (files.length === 0) return
    const compilerOptions = { rootDir: "/", noUnusedLocals: false }
    const config = { extends: join(root, "tsconfig.check.json"), compilerOptions, files, include: [] }
    writeFileSync(join(this.#folder, "tsconfig.readme.json"), JSON.stringify(config))
    const tsc = join(root, "node_modules/.bin/tsc")
    await promisify(execFile)(tsc, ["-p", "tsconfig.readme.json"], { cwd: this.#folder }).catch(({ stdout }) =>
      expect.fail(String(stdout))
    )
  }

  /** Runs one block; the blocks before it must have run. */
  async run(block: Block): Promise<void> {
    switch (block.language) {
      case "sh":
      case "console":
        for (const command of commandsOf(block)) await this.#command(command)
        return
      case "ts": {
        if (fileOf(block) !== undefined) return void this.#write(block)
        const next = this.blocks.find(({ line }) => line > block.line)
        const output = next?.language === "text" && next.adjacent ? next.text : undefined
        return this.#command({ command: `node ${this.#write(block)}`, output })
      }
      case "text":
        return
      default:
        throw new Error(`Line ${block.line}: nobody runs "${block.language}" blocks; use console, sh, ts or text`)
    }
  }

  async #command({ command, output: written }: Command): Promise<void> {
    if (isDoneElsewhere(command)) return
    const real = this.#toReal(this.#values.inCommand(command))
    if (STARTS_SERVER.test(command)) return this.#start(real, written)
    const { output, exitCode } = await this.#shell.run(real)
    expect(exitCode, `${command}\n${output}`).toBe(0)
    if (written !== undefined) expect(this.#asWritten(output, written), command).toBe(tidy(written))
  }

  /** The server goes on while the rest of the text runs. Its first lines are what the text prints. */
  async #start(command: string, written = ""): Promise<void> {
    const log = join(this.#folder, "server.log")
    const ended = join(this.#folder, "server.ended")
    await this.#shell.run(`{ ${command}; echo $? > server.ended; } > server.log 2>&1 &`)
    const printed = () => readFileSync(log, "utf8").split("\n").slice(0, tidy(written).split("\n").length).join("\n")
    await healthy(`http://127.0.0.1:${this.#ports.PORT}`, () => existsSync(ended)).catch((error) =>
      expect.fail(`${error.message}\n${readFileSync(log, "utf8")}`)
    )
    if (written !== "") {
      await expect.poll(() => this.#asWritten(printed(), written), { timeout: 60_000 }).toBe(tidy(written))
    }
  }

  #write(block: Block): string {
    const name = fileOf(block) ?? `line-${block.line}.ts`
    const text = fileOf(block) === undefined ? block.text : block.text.slice(block.text.indexOf("\n") + 1)
    if (name.includes("/")) expect(readFileSync(join(root, name), "utf8"), name).toBe(`${text}\n`)
    else writeFileSync(join(this.#folder, name), this.#toReal(text))
    return name
  }

  #toReal(text: string): string {
    return this.#withPorts(text, (variable) => [PORTS[variable], this.#ports[variable]])
  }

  #asWritten(output: string, written: string): string {
    const text = this.#withPorts(output, (variable) => [this.#ports[variable], PORTS[variable]])
    return this.#values.asWritten(tidy(text), tidy(written))
  }

  #withPorts(text: string, ofPort: (variable: keyof Ports) => readonly [from: string, to: string]): string {
    const variables = ["PORT", "LATCHKEY_MQTT_PORT", "LATCHKEY_SHADOW_PORT", "OTHER_PORT"] as const
    return variables
      .map(ofPort)
      .reduce((text, [from, to]) => text.replaceAll(new RegExp(`\\b${from}\\b`, "g"), to), text)
  }
}

/** A program that other commands run begins with a comment that names its file: of the checkout, or one to be written. */
const fileOf = ({ text }: Block): string | undefined => /^\/\/ (\S+\.ts)$/m.exec(text.split("\n", 1).join())?.[1]

/** Ordinary commands of a developer: those of npm are run by `.ci/run`, in a fresh clone. */
const isDoneElsewhere = (command: string): boolean => {
  const [, script] = /^npm run (\S+)/.exec(command) ?? []
  if (script === undefined)
    return /^(git clone|cd|npm (ci|install|test))\b/.test(command) && !STARTS_SERVER.test(command)
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  expect(Object.keys(scripts), command).toContain(script)
  return true
}

/** JSON may be printed on one line and written on many. */
const tidy = (text: string): string => {
  const trimmed = text.trimEnd()
  try {
    return JSON.stringify(JSON.parse(trimmed), null, 2)
  } catch {
    return trimmed
  }
}

const environment = (folder: string, ports: Ports): NodeJS.ProcessEnv => {
  // To a terminal, curl shows no progress.
  writeFileSync(join(folder, ".curlrc"), "silent\nshow-error\n")
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(LATCHKEY_|VITEST|NODE_ENV|NODE_OPTIONS|npm_)/.test(name)
  )
  return {
    ...Object.fromEntries(inherited),
    ...ports,
    PATH: [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
    CURL_HOME: folder,
    npm_config_loglevel: "silent"
  }
}
