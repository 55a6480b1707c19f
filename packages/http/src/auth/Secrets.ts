/** API keys and secrets of devices, drawn and hashed with node's cryptography. */
import { hash, randomBytes } from "node:crypto"
import { ApiKeys, DeviceSecrets, Secrets } from "@latchkey/core"
import { Layer } from "effect"
import { v7 } from "uuid"

const secrets = Layer.succeed(Secrets, {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => hash("sha256", text, "base64url"),
  newId: () => v7()
})

/** `configured`: keys that the operator gave, beside those in the store. */
export const apiKeys = (configured?: Parameters<typeof ApiKeys.layer>[0]) =>
  Layer.provide(ApiKeys.layer(configured), secrets)

export const deviceSecrets = Layer.provide(DeviceSecrets.layer, secrets)
