/** API keys and secrets of devices with node's cryptography. */
import { hash, randomBytes } from "node:crypto"
import { ApiKeys, DeviceSecrets, Secrets } from "@latchkey/core"
import { Layer } from "effect"
import { v7 } from "uuid"

const secrets = Layer.succeed(Secrets, {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => hash("sha256", text, "base64url"),
  newId: () => v7()
})

/** The API keys in the log, and those beside them that are `configured`. */
export const apiKeysLayer = (configured?: Parameters<typeof ApiKeys.layer>[0]) =>
  Layer.provide(ApiKeys.layer(configured), secrets)

/** With what devices sign in. */
export const deviceSecretsLayer = Layer.provide(DeviceSecrets.layer, secrets)
