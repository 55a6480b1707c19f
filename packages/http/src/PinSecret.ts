/**
 * The server's key for PINs: only whoever has it can tell from what the log holds what a PIN is. It is kept apart from
 * the log, so that a copy of the log alone opens nothing.
 */
import { createHmac, randomBytes } from "node:crypto"
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { PinKey } from "@latchkey/core"
import { Context, Effect, Layer } from "effect"
import { InvalidConfig } from "./Config.ts"

/** Fewest bytes of a key. */
const KEY_BYTES = 32
const FILE = "pin.key"

export class PinSecret extends Context.Service<PinSecret, PinKey>()("@latchkey/http/PinSecret") {
  /** A key that the operator keeps. */
  static readonly layerOf = (secret: string | Uint8Array) => Layer.succeed(PinSecret, keyed(secret))

  /** A key that ends with the process, for stores that do. */
  static readonly layerPassing = Layer.sync(PinSecret, () => keyed(randomBytes(KEY_BYTES)))

  /** The key in the folder of the data; the first start makes it, readable for its owner alone. */
  static readonly layerInFolder = (folder: string) =>
    Layer.effect(
      PinSecret,
      Effect.try({
        try: () => keyed(readOrMake(folder)),
        catch: (error) =>
          new InvalidConfig({
            variable: "LATCHKEY_DATA",
            expected: `the key for PINs, ${join(folder, FILE)}, cannot be used (${error instanceof Error ? error.message : error}). Restore it from a backup, or set LATCHKEY_PIN_KEY`
          })
      })
    )
}

/** HMAC-SHA-256 (RFC 2104). */
const keyed = (secret: string | Uint8Array): PinKey => {
  const digest = (text: string): string => createHmac("sha256", secret).update(text).digest("hex")
  return { id: digest("id").slice(0, 16), digest }
}

const readOrMake = (folder: string): string => {
  const file = join(folder, FILE)
  const key = readIfThere(file) ?? make(folder, file)
  if (Buffer.byteLength(key) < KEY_BYTES) throw new Error(`it holds fewer than ${KEY_BYTES} bytes`)
  return key
}

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

/** Another process may be making it too: it appears whole and at once, and whoever comes second takes the first one's. */
const make = (folder: string, file: string): string => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`
  const handle = openSync(draft, "wx", 0o600)
  try {
    writeSync(handle, `${randomBytes(KEY_BYTES).toString("base64url")}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    linkSync(draft, file)
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error
  } finally {
    unlinkSync(draft)
  }
  syncFolder(folder)
  return readIfThere(file) ?? ""
}

/** What is kept under the key survives a loss of power, so the name of its file has to. */
const syncFolder = (folder: string): void => {
  const handle = openSync(folder, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
