/** Webhooks of an organization: where it wants to be told of events. An event-sourced aggregate, one stream an organization. */
import { HashMap, Schema } from "effect"
import { LockId } from "../lock/Lock.ts"
import { Category } from "../streams/Category.ts"
import { Text, textUpTo } from "../values/Text.ts"

/** How deliveries are signed: with a secret that both know, or with a key whose public half the receiver has. */
const Signature = Schema.Literals(["hmac", "ed25519"])

/** What is sent: events whole, or only their type, lock, time and ids. */
const Payload = Schema.Literals(["full", "thin"])

/** Most types, and locks, that one webhook names. */
const MOST_NAMED = 1_000

const wanted = {
  url: textUpTo(2_048),
  /** Types of events; `*` is all. */
  events: Schema.Array(Text).check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  /** Only events of these locks. */
  lockIds: Schema.Array(LockId).check(Schema.isMinLength(1), Schema.isMaxLength(MOST_NAMED)),
  description: textUpTo(200),
  payload: Payload
}

/** What an organization asks for when it makes a webhook. */
export const WebhookRequest = Schema.Struct({
  url: wanted.url,
  events: Schema.optionalKey(wanted.events),
  lockIds: Schema.optionalKey(wanted.lockIds),
  description: Schema.optionalKey(wanted.description),
  signature: Schema.optionalKey(Signature),
  payload: Schema.optionalKey(wanted.payload),
  /** A cursor; from now on unless given. */
  after: Schema.optionalKey(Schema.String)
})
export type WebhookRequest = typeof WebhookRequest.Type

/** What may be changed; `lockIds` of `null` are all locks. */
export const WebhookChanges = Schema.Struct({
  url: Schema.optionalKey(wanted.url),
  events: Schema.optionalKey(wanted.events),
  lockIds: Schema.optionalKey(Schema.NullOr(wanted.lockIds)),
  description: Schema.optionalKey(wanted.description),
  payload: Schema.optionalKey(wanted.payload)
})
export type WebhookChanges = typeof WebhookChanges.Type

const webhookId = Schema.String
/** What happened to the webhooks of an organization. Stored forever: add cases and optional fields, never rename or remove one. */
export const WebhookEvent = Schema.TaggedUnion({
  WebhookCreated: {
    webhookId,
    url: Schema.String,
    events: Schema.Array(Schema.String),
    lockIds: Schema.optionalKey(Schema.Array(Schema.Int)),
    description: Schema.optionalKey(Schema.String),
    signature: Signature,
    payload: Payload,
    /** The position in the feed behind which it begins. */
    after: Schema.Int
  },
  WebhookChanged: {
    webhookId,
    url: Schema.optionalKey(Schema.String),
    events: Schema.optionalKey(Schema.Array(Schema.String)),
    lockIds: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Int))),
    description: Schema.optionalKey(Schema.String),
    payload: Schema.optionalKey(Payload)
  },
  /** Its receiver has answered a challenge. */
  WebhookVerified: { webhookId },
  /** From now on this secret signs; the one before, too, until then (epoch milliseconds). */
  WebhookSecretRotated: { webhookId, secret: Schema.Int, previousUntil: Schema.Int },
  WebhookEnabled: { webhookId },
  WebhookDisabled: { webhookId, reason: Schema.String },
  /** Events are to be sent again: those between two positions that happened between two instants (epoch milliseconds). */
  WebhookReplayRequested: {
    webhookId,
    replayId: Schema.String,
    after: Schema.Int,
    until: Schema.Int,
    from: Schema.optionalKey(Schema.Int),
    to: Schema.optionalKey(Schema.Int)
  },
  WebhookDeleted: { webhookId }
})
export type WebhookEvent = typeof WebhookEvent.Type

/** What is to be sent again. */
export interface ReplayRequest {
  readonly replayId: string
  /** Version of its event: which requests were taken on already. */
  readonly version: number
  readonly after: number
  readonly until: number
  readonly from?: number
  readonly to?: number
}

/** A webhook as its events leave it. */
export interface Webhook {
  readonly id: string
  readonly orgId: string
  readonly url: string
  readonly events: ReadonlyArray<string>
  readonly lockIds: ReadonlyArray<number> | undefined
  readonly description: string | undefined
  readonly signature: typeof Signature.Type
  readonly payload: typeof Payload.Type
  /** `pending` until its receiver has answered a challenge. */
  readonly status: "pending" | "active" | "disabled"
  readonly reason: string | undefined
  /** When it was disabled, epoch milliseconds, while it is. */
  readonly disabledAt: number | undefined
  readonly isVerified: boolean
  /** Which secrets sign, the newest first; the others until then, epoch milliseconds. */
  readonly secrets: ReadonlyArray<{ readonly index: number; readonly until?: number }>
  readonly after: number
  /** Epoch milliseconds. */
  readonly createdAt: number
  /** The version of the last change by its owner: what was learned before, about another address, no longer counts. */
  readonly changed: number
  /** The last ones. */
  readonly replays: ReadonlyArray<ReplayRequest>
}

/** Most webhooks of an organization. */
export const MOST_WEBHOOKS = 20
/** Most secrets that sign at once: a delivery has a signature of each. */
const MOST_SECRETS = 5
/** Most replays that are asked for and not taken on. */
export const MOST_REPLAYS = 20

/** The webhooks of an organization, by id. */
export const WebhookStreams = Category({
  prefix: "webhooks-",
  events: WebhookEvent,
  personal: { WebhookCreated: ["description"], WebhookChanged: ["description"] },
  initial: HashMap.empty<string, Webhook>(),
  evolve: (webhooks, event, { at, version }, orgId) => {
    if (event._tag === "WebhookCreated") {
      const { webhookId: id, url, events, lockIds, description, signature, payload, after } = event
      return HashMap.set(webhooks, id, {
        id,
        orgId,
        url,
        events,
        lockIds,
        description,
        signature,
        payload,
        status: "pending",
        reason: undefined,
        disabledAt: undefined,
        isVerified: false,
        secrets: [{ index: 1 }],
        after,
        createdAt: at,
        changed: version,
        replays: []
      })
    }
    if (event._tag === "WebhookDeleted") return HashMap.remove(webhooks, event.webhookId)
    return HashMap.modify(webhooks, event.webhookId, (webhook) => evolve(webhook, event, version, at))
  }
})

type Later = Exclude<WebhookEvent, { readonly _tag: "WebhookCreated" | "WebhookDeleted" }>

const evolve = (webhook: Webhook, event: Later, version: number, at: number): Webhook => {
  switch (event._tag) {
    case "WebhookChanged": {
      const { _tag: _, webhookId: __, lockIds, url, ...changes } = event
      const moved = url === undefined || url === webhook.url ? {} : { url, isVerified: false, changed: version }
      const status = "url" in moved && webhook.status === "active" ? "pending" : webhook.status
      const locks = lockIds === undefined ? {} : { lockIds: lockIds ?? undefined }
      return { ...webhook, ...changes, ...moved, ...locks, status }
    }
    case "WebhookVerified":
      return { ...webhook, isVerified: true, status: webhook.status === "pending" ? "active" : webhook.status }
    case "WebhookSecretRotated": {
      const [current = { index: 1 }, ...others] = webhook.secrets
      const previous = { index: current.index, until: event.previousUntil }
      // Of each it was answered until when it signs.
      const earlier = others.filter(({ until = 0 }) => until > at)
      return { ...webhook, secrets: [{ index: event.secret }, previous, ...earlier].slice(0, MOST_SECRETS) }
    }
    case "WebhookEnabled":
      return {
        ...webhook,
        status: webhook.isVerified ? "active" : "pending",
        reason: undefined,
        disabledAt: undefined,
        changed: version
      }
    case "WebhookDisabled":
      return { ...webhook, status: "disabled", reason: event.reason, disabledAt: at, changed: version }
    case "WebhookReplayRequested": {
      const { _tag: _, webhookId: __, ...asked } = event
      return { ...webhook, replays: [...webhook.replays, { ...asked, version }].slice(-MOST_REPLAYS) }
    }
  }
}
