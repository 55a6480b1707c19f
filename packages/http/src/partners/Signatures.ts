/**
 * How deliveries are signed: Standard Webhooks 1.0. Secrets are derived (HKDF, RFC 5869) from the server's key, and are kept
 * nowhere.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  sign
} from "node:crypto"
import type { PinKey, Webhook } from "@latchkey/core"

const BYTES = 32
/** What comes before the 32 bytes of an ed25519 private key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex")

/** Signs, and shows with what signatures are checked. */
export interface Signatures {
  /** The `webhook-signature` of a delivery: of every secret that is good at `at`, epoch milliseconds. */
  readonly sign: (webhook: Pick<Webhook, "id" | "signature" | "secrets">, content: string, at: number) => string
  /** What the receiver gets: `whsec_` and the secret, or `whpk_` and the public key. */
  readonly secretOf: (webhook: Pick<Webhook, "id" | "signature">, index: number) => string
}

export const signatures = (key: PinKey): Signatures => {
  // Under a label of its own: no digest of a PIN is ever made of this.
  const root = Buffer.from(key.digest("webhook secrets"), "hex")
  /** Of each webhook, by index, so that they need not be derived for each delivery. */
  const kept = new WeakMap<object, Map<number, KeyObject>>()

  const secret = (id: string, index: number): Buffer =>
    Buffer.from(hkdfSync("sha256", root, "", `latchkey webhook ${id} ${index}`, BYTES))
  const privateKey = (id: string, index: number): KeyObject =>
    createPrivateKey({ key: Buffer.concat([PKCS8, secret(id, index)]), format: "der", type: "pkcs8" })
  const keyOf = (webhook: Pick<Webhook, "id" | "signature">, index: number): KeyObject => {
    const keys = kept.get(webhook) ?? new Map<number, KeyObject>()
    const known = keys.get(index)
    if (known !== undefined) return known
    const { id, signature } = webhook
    const made = signature === "hmac" ? createSecretKey(secret(id, index)) : privateKey(id, index)
    kept.set(webhook, keys.set(index, made))
    return made
  }

  return {
    sign: (webhook, content, at) =>
      webhook.secrets
        .filter(({ until = Number.POSITIVE_INFINITY }) => until > at)
        .map(({ index }) => {
          const key = keyOf(webhook, index)
          return key.type === "secret"
            ? `v1,${createHmac("sha256", key).update(content).digest("base64")}`
            : `v1a,${sign(null, Buffer.from(content), key).toString("base64")}`
        })
        .join(" "),
    secretOf: (webhook, index) => {
      const key = keyOf(webhook, index)
      if (key.type === "secret") return `whsec_${key.export().toString("base64")}`
      const spki = createPublicKey(key as KeyObject).export({ format: "der", type: "spki" })
      return `whpk_${spki.subarray(-BYTES).toString("base64")}`
    }
  }
}
