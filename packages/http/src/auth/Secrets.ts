/** Secrets with node's cryptography. */
import { hash, randomBytes } from "node:crypto"
import { Secrets } from "@latchkey/core"
import { Layer } from "effect"
import { v7 } from "uuid"

export const nodeSecrets: Layer.Layer<Secrets> = Layer.succeed(Secrets, {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => hash("sha256", text, "base64url"),
  newId: () => v7()
})
