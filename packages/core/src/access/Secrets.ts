/** Cryptography for secrets that are shown once and kept as a hash: core asks for it, and the program around it provides it. */
import { Context, Effect } from "effect"
import { Base64Url } from "effect/encoding"

/** As `Secrets.hash`, where nobody passes cryptography in: every runtime has this. */
export const sha256 = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (digest) => Base64Url.encode(new Uint8Array(digest))
  )

/** Draws and hashes secrets: the cryptography of the program that runs Latchkey. */
export class Secrets extends Context.Service<
  Secrets,
  {
    /** 256 random bits, base64url. */
    readonly draw: () => string
    /** SHA-256 of a text, base64url. Secrets are random, so a plain hash gives nothing away. */
    readonly hash: (text: string) => string
    /** A new UUID of version 7. */
    readonly newId: () => string
  }
>()("@latchkey/core/Secrets") {}
