#!/usr/bin/env node
/**
 * The command as it is installed. It needs nothing that an old Node lacks, so that one can say which Node it takes; then
 * the process becomes `main.ts`, with the flags that its first line names.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const [major, minor] = numbersIn(engines.node)
const [itsMajor, itsMinor] = numbersIn(process.version)

if (itsMajor < major || (itsMajor === major && itsMinor < minor)) {
  console.error(
    `latchkey: needs Node.js ${major}.${minor} or later, and this is ${process.version}: https://nodejs.org`
  )
  process.exitCode = 1
} else {
  const main = fileURLToPath(import.meta.url.replace(/latchkey(\.\w+)$/, "main$1"))
  const flags = /^#!.*/.exec(readFileSync(main, "utf8"))?.[0].match(/--\S+/g) ?? []
  // Where a process cannot become another one (Windows), it goes without the flags.
  if (process.execve === undefined) await import("./main.ts")
  else
    process.execve(
      process.execPath,
      [process.execPath, ...process.execArgv, ...flags, main, ...process.argv.slice(2)],
      { ...compileCache(process.env), ...process.env }
    )
}

/**
 * Where Node keeps what V8 makes of the modules, so that the next start need not. In the folder of the user: anyone who may
 * write there decides what runs, so it is not Node's own choice, the system's folder for temporary files.
 */
function compileCache({ XDG_CACHE_HOME, HOME }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const caches = XDG_CACHE_HOME || (HOME && join(HOME, ".cache"))
  return caches ? { NODE_COMPILE_CACHE: join(caches, "latchkey") } : {}
}

/** The first two numbers of a version, or of a range of them. */
function numbersIn(version: string): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = version.match(/\d+/g)?.map(Number) ?? []
  return [major, minor]
}
