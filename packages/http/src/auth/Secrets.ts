/** API keys and secrets of devices with node's cryptography. */
import { hash, randomBytes } from "node:crypto"
import { ApiKeys, DeviceSecrets, Secrets } from "@latchkey/core"
import { Layer, Schema } from "effect"
import { v7 } from "uuid"

/**
 * Node's cryptography for `createLatchkey`, with which it manages API keys.
 *
 * @example
 * const latchkey = await createLatchkey({ store, shadow, secrets: nodeSecrets })
 */
export const nodeSecrets: Secrets["Service"] = {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => hash("sha256", text, "base64url"),
  newId: () => v7()
}
const secrets = Layer.succeed(Secrets, nodeSecrets)

/** Names an organization, or the operator, `*`. With its prefix it is the id of a stream: stores keep up to 255 characters. */
export const OrganizationName = Schema.String.check(
  Schema.isPattern(/^[^\s:\p{Cc}]+$/u, { expected: "an organization: no spaces, no colon" }),
  Schema.isMaxLength(255 - "organization-".length, { expected: "an organization of at most 242 characters" })
)

/** Names a device as the shadow service does. */
export const ThingName = Schema.String.check(
  Schema.isPattern(/^[a-zA-Z0-9:_-]{1,128}$/, { expected: "1 to 128 of a-z, A-Z, 0-9, ':', '_' and '-'" })
)

/** Fewest bytes of a secret that somebody else drew: what is shorter can be guessed. */
export const SECRET_BYTES = 32

/** The API keys in the log, and those beside them that are `configured`. Throws when one can be guessed, or is of two organizations. */
export const apiKeysLayer = (configured: Parameters<typeof ApiKeys.layer>[0] = []) => {
  const isShort = configured.some(({ secret }) => Buffer.byteLength(secret) < SECRET_BYTES)
  if (isShort || new Set(configured.map(({ secret }) => secret)).size < configured.length) {
    throw new TypeError(`API keys need secrets of at least ${SECRET_BYTES} bytes, and none twice.`)
  }
  return Layer.provide(ApiKeys.layer(configured), secrets)
}

/** With what devices sign in. */
export const deviceSecretsLayer = Layer.provide(DeviceSecrets.layer, secrets)
