/** How commands fail and end: one line on stderr, an exit code, and no traces. */
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { latchkey } from "./harness/command.ts"
import { configured, type Environment, startServer, temporaryFolder } from "./harness/process.ts"

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const environment = configured(folder.path)

const failure = async (variables: Environment, ...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await latchkey({ ...environment, ...variables }, args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  return stderr
}

describe("latchkey", () => {
  it("names the variable that has a wrong value, and not the value", async () => {
    expect(await failure({ PORT: "http" }, "serve")).toMatch(/^latchkey: PORT: .*\n$/)
    const secret = await failure({ LATCHKEY_JWT_SECRET: "too-short" }, "serve")
    expect(secret).toMatch(/^latchkey: LATCHKEY_JWT_SECRET: .*\n$/)
    expect(secret).not.toContain("too-short")
  })

  it("says that the data folder is a file", async () => {
    const file = join(folder.path, "file")
    writeFileSync(file, "")
    expect(await failure({ LATCHKEY_DATA: file }, "serve")).toMatch(/^latchkey: .*is a file.*\n$/)
    expect(await failure({ LATCHKEY_DATA: file }, "keys", "list")).toMatch(/^latchkey: .*is a file.*\n$/)
  })

  it("says that the data folder cannot be made", async () => {
    expect(await failure({ LATCHKEY_DATA: "/proc/nope" }, "serve")).toMatch(
      /^latchkey: LATCHKEY_DATA: The data folder \/proc\/nope cannot be made.*\n$/
    )
  })

  it("makes no store to read, change or copy what is not there", async () => {
    const none = join(folder.path, "none")
    const uuid = "0d000000-0000-4000-8000-000000000001"
    const commands = [
      "keys list",
      "devices revoke secret",
      `explain --lock 1 --key ${uuid}`,
      "events export",
      "projections rebuild",
      `backup ${join(folder.path, "copy")}`
    ]
    for (const command of commands) {
      expect(await failure({ LATCHKEY_DATA: none }, ...command.split(" ")), command).toMatch(
        /^latchkey: .*[tT]here is no log in .*none\. Name the data folder\.\n$/
      )
    }
    expect(existsSync(none)).toBe(false)
    expect(existsSync(join(folder.path, "copy"))).toBe(false)
  })

  it("says that somebody listens on the port", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const address = taken.address()
    const port = typeof address === "object" && address !== null ? String(address.port) : expect.fail()
    expect(await failure({ PORT: port }, "serve")).toMatch(/^latchkey: Cannot listen on .*EADDRINUSE.*\n$/)
    taken.close()
  })

  it.each([
    ["LATCHKEY_STORE", "memory", "keys list"],
    ["LATCHKEY_STORE", "memory", "events import -"],
    ["LATCHKEY_STORE", "memory", "backup somewhere"],
    ["LATCHKEY_DATA", ":memory:", "projections rebuild"]
  ])("refuses with %s=%s to %s: nothing is kept", async (variable, value, command) => {
    const stderr = await failure({ [variable]: value }, ...command.split(" "))
    expect(stderr).toMatch(new RegExp(`^latchkey: ${variable}: keeps nothing.*\n$`))
  })

  it("answers an unknown command or flag with a sentence that names it", async () => {
    for (const args of [["unlock"], ["serve", "--fast"], ["keys", "list", "--all"]]) {
      const [line, ...more] = (await failure({}, ...args)).split("\n")
      expect(line).toMatch(new RegExp(`^latchkey: .*${args.at(-1)}.*has no such`))
      expect(more).toEqual([expect.stringMatching(/^See: latchkey.* --help$/), ""])
    }
  })

  it("completes commands and options in bash", async () => {
    const script = join(folder.path, "completions")
    writeFileSync(script, (await latchkey(environment, ["--completions", "bash"])).stdout)
    const completed = (...words: ReadonlyArray<string>) => {
      const [command, ...typed] = ["latchkey", ...words].map((word) => `'${word}'`)
      const run = [
        `source '${script}'`,
        `COMP_WORDS=(${command} ${typed.join(" ")}); COMP_CWORD=${words.length}`,
        `COMP_LINE="latchkey ${words.join(" ")}"; COMP_POINT=\${#COMP_LINE}`,
        // What bash itself calls.
        `$(complete -p latchkey | sed 's/.*-F \\([^ ]*\\).*/\\1/') latchkey "\${COMP_WORDS[COMP_CWORD]}"`,
        `echo "\${COMPREPLY[@]}"`
      ]
      return execFileSync("bash", ["--norc", "-c", run.join("\n")], { encoding: "utf8" })
        .trim()
        .split(" ")
    }
    expect(completed("we")).toEqual(["webhooks"])
    expect(completed("keys", "")).toEqual(["create", "list", "revoke"])
    expect(completed("keys", "list", "--l")).toEqual(["--limit"])
  })

  it.each(["SIGTERM", "SIGINT"] as const)("ends serving with success on %s", async (signal) => {
    await using server = await startServer(environment)
    server.signal(signal)
    expect(await server.ended).toEqual({ code: 0, signal: null })
    expect(server.output()).not.toMatch(/error|warning/i)
  })

  it("logs lines of JSON to a stderr that is no terminal", async () => {
    const database = join(folder.path, "read-model.db")
    writeFileSync(database, "damaged".repeat(1_000))
    const { code, stderr } = await latchkey(environment, ["projections", "rebuild"])
    expect(code).toBe(0)
    expect(
      stderr
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).level)
    ).toEqual(["WARN"])
  })
})
