/**
 * The port through which something is sent to a webhook. The first adapter posts over HTTP. Another destination is a layer
 * that makes a `Deliver` over a `Deliver`: it takes the addresses that are its own, and hands on the others.
 */
import { Context, type Effect } from "effect"
import type { Answered } from "./Delivery.ts"
import type { Webhook } from "./Webhook.ts"

/** Something to send, once. */
export interface Parcel {
  readonly webhook: Pick<Webhook, "id" | "orgId" | "url" | "signature" | "secrets">
  /** The same in every attempt. */
  readonly id: string
  /** JSON as it is to be sent, and signed. */
  readonly body: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * Sends to partners.
 *
 * @example
 * ```ts
 * const toQueue = Deliver.of({
 *   send: ({ webhook, id, body }) => Effect.map(put(webhook.url, id, body), () => ({ status: 202, response: "", durationMs: 1 })),
 *   flawOf: (url) => (url.startsWith("https://") ? undefined : "must be https"),
 *   secretOf: () => ""
 * })
 * ```
 */
export class Deliver extends Context.Service<
  Deliver,
  {
    /** Tries once, within 15 seconds or so, and says what was answered. */
    readonly send: (parcel: Parcel) => Effect.Effect<Answered>
    /**
     * What is wrong with an address for an organization (`*` is the operator), as far as that can be told without asking
     * anybody; `undefined`: nothing.
     */
    readonly flawOf: (url: string, orgId: string) => string | undefined
    /** With what its receiver checks signatures, as it is shown. */
    readonly secretOf: (webhook: Pick<Webhook, "id" | "signature">, index: number) => string
  }
>()("@latchkey/core/Deliver") {}
