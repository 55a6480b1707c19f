/**
 * The server's key for PINs: only its holder can tell from what the log holds what a PIN is. It is kept apart from
 * the log, so that a copy of the log alone opens nothing.
 */
import { createHmac, randomBytes } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { type PinKey, SharedCredentials } from "@latchkey/core"
import { Clock, Context, Effect, Layer, Schema } from "effect"

/** Fewest bytes of a key. */
const KEY_BYTES = 32
const FILE = "pin.key"
const REMEMBERED = "pin.witness"

/** The key cannot be used, or is not the one that was used before; `message` says what to do. */
export class PinSecretUnusable extends Schema.TaggedError<PinSecretUnusable>()("PinSecretUnusable", {
  /** Which one: that in the folder, or the one that was given. */
  source: Schema.Literals(["folder", "given"]),
  message: Schema.String
}) {}

/** The key for PINs: see the top of this module. */
export class PinSecret extends Context.Service<PinSecret, PinKey>()("@latchkey/http/PinSecret") {
  /** A key that the operator keeps. */
  static readonly layerOf = (secret: string | Uint8Array) => Layer.succeed(PinSecret, pinKeyOf(secret))

  /** A key that ends with the process, for stores that do. */
  static readonly layerPassing = Layer.sync(PinSecret, () => pinKeyOf(randomBytes(KEY_BYTES)))

  /** The key in the folder of the data; the first start makes it, readable for its owner alone. */
  static readonly layerInFolder = (folder: string) => Layer.effect(PinSecret, keyIn(folder))

  /**
   * The key that is `given`, or the one in the folder. A key is refused, and none is made, when PINs that are still good
   * were made under another: they would all be wrong, and nothing but an operator's word makes them so.
   */
  static readonly layerBesideLog = (folder: string, restored: boolean, given?: string | Uint8Array) =>
    Layer.effect(
      PinSecret,
      Effect.gen(function* () {
        const { strayPins } = yield* SharedCredentials
        const now = yield* Clock.currentTimeMillis
        const all = strayPins(NO_KEY, now)
        if (given === undefined && all > 0 && !restored && !existsSync(join(folder, FILE))) {
          return yield* unusable(folder, `it is gone, and the PINs of ${all} temp keys were made under it`, NEW_ONE)
        }
        const key = given === undefined ? yield* keyIn(folder) : pinKeyOf(given)
        const strays = strayPins(key, now)
        const before = keyBefore(folder)
        // An older Latchkey kept none: a key under which some of them were made is a good one.
        const isKnown = before === undefined ? strays < all : before === key.id
        if (strays > 0 && !isKnown && !restored) {
          const why = `the PINs of ${strays} temp keys were made under another one`
          return yield* given === undefined ? unusable(folder, why, THIS_ONE) : wrong(why)
        }
        if (before !== key.id) remember(folder, key.id)
        return key
      })
    )
}

/** No PIN was made under it. */
const NO_KEY: PinKey = { id: "", digest: () => "" }

const NEW_ONE = ". To make a new one, and those keys anew, start once with LATCHKEY_RESTORED=yes"
const THIS_ONE = ". To go on with this one, and make those keys anew, start once with LATCHKEY_RESTORED=yes"

const keyIn = (folder: string) =>
  Effect.try({
    try: () => pinKeyOf(keptIn(folder, FILE)),
    catch: (error) => unusable(folder, error instanceof Error ? error.message : String(error))
  })

const unusable = (folder: string, why: string, more = "") =>
  new PinSecretUnusable({
    source: "folder",
    message: `the key for PINs, ${join(folder, FILE)}, cannot be used (${why}). Restore it from a backup, or set LATCHKEY_PIN_KEY${more}`
  })

const wrong = (why: string) =>
  new PinSecretUnusable({
    source: "given",
    message: `is not the key that was used before (${why}). Set that one${THIS_ONE}`
  })

/** The id of the key of the last start, which is no secret; nothing where no start has kept it. */
const keyBefore = (folder: string): string | undefined => {
  try {
    return readIfThere(join(folder, REMEMBERED))
  } catch {
    return undefined
  }
}

/** Where it cannot be written, an operator's word counts for one start alone. */
const remember = (folder: string, keyId: string): void => {
  const draft = join(folder, `${REMEMBERED}.${process.pid}`)
  try {
    writeFileSync(draft, `${keyId}\n`, { mode: 0o600 })
    renameSync(draft, join(folder, REMEMBERED))
  } catch {
    rmSync(draft, { force: true })
  }
}

/** The key for PINs that a secret of at least 32 bytes makes: HMAC-SHA-256 (RFC 2104). Keep it: PINs are good under it alone. */
export const pinKeyOf = (secret: string | Uint8Array): PinKey => {
  if (Buffer.byteLength(secret) < KEY_BYTES)
    throw new TypeError(`it has fewer than the ${KEY_BYTES} bytes of a key for PINs`)
  const digest = (text: string): string => createHmac("sha256", secret).update(text).digest("hex")
  return { id: digest("id").slice(0, 16), digest }
}

/** A random text in a file of the folder, for its owner alone; the first who asks makes it. */
export const keptIn = (folder: string, name: string): string => {
  const file = join(folder, name)
  return readIfThere(file) ?? make(folder, file)
}

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

/** Another process may be making it too: it appears whole and at once, and anyone who comes second takes the first one's. */
const make = (folder: string, file: string): string => {
  // Not with those above it: the one who made the log has made them.
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
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
