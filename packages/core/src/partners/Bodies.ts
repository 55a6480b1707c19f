/** Events as they are sent: each is made once, for all webhooks that are sent the same. */
import { envelopeOf, type Origin } from "./Envelope.ts"
import { type Told, thinned } from "./Told.ts"
import type { Webhook } from "./Webhook.ts"

export interface Body {
  /** JSON. */
  readonly text: string
  /** Bytes. */
  readonly size: number
}

const encoder = new TextEncoder()

/** @param origin what every envelope says of where it comes from */
export const bodies = (origin: Origin): ((told: Told, webhook: Pick<Webhook, "orgId" | "payload">) => Body) => {
  const made = { full: new WeakMap<Told, Map<string, Body>>(), thin: new WeakMap<Told, Map<string, Body>>() }
  return (told, { orgId, payload }) => {
    const known = made[payload].get(told) ?? new Map<string, Body>()
    let body = known.get(orgId)
    if (body === undefined) {
      const text = JSON.stringify(envelopeOf(payload === "thin" ? thinned(told) : told, orgId, origin))
      body = { text, size: encoder.encode(text).length }
      made[payload].set(told, known.set(orgId, body))
    }
    return body
  }
}
