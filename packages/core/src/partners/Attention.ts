/** What needs somebody, of the locks and the webhooks of one who asks together. */
import { Effect, Result, Schema } from "effect"
import { type LockAttention, LockLists, type LocksOverview } from "../locks/LockLists.ts"
import { locksFields, placeOfLock } from "../locks/LocksQuery.ts"
import { ATTENTION, type AttentionKind } from "../read-model/LockConditions.ts"
import { isPlaceOf } from "../read-model/LockList.ts"
import type { Principal } from "../values/Principal.ts"
import { tenantOf } from "./Tenant.ts"
import { WEBHOOK_ATTENTION, type WebhookAttention, type Webhooks } from "./Webhooks.ts"

/** The fields of a question about what needs somebody. */
export const attentionFields = {
  /** All kinds, unless it says which. */
  kind: Schema.optionalKey(Schema.Literals([...ATTENTION, ...WEBHOOK_ATTENTION])),
  /** Locks on a page. */
  limit: locksFields.limit,
  /** The `nextCursor` of the answer before, to the same question. */
  after: locksFields.after
}
type Fields = Schema.Struct.Type<typeof attentionFields>

const isOfLock = (kind: Fields["kind"]): kind is AttentionKind => ATTENTION.some((known) => known === kind)

/** What contradicts itself in it. */
export const attentionFlaw = Schema.makeFilter(({ kind, after }: Fields) => {
  if (after === undefined) return undefined
  const isPlace =
    (kind === undefined || isOfLock(kind)) && isPlaceOf({ attention: kind ?? true }, placeOfLock(after) ?? "")
  return isPlace ? undefined : { path: ["after"], issue: "Must be the nextCursor of an answer to the same question" }
})

/**
 * A question about what needs somebody: all of it, unless it says which.
 *
 * @example
 * ```ts
 * const { items, nextCursor } = await latchkey.attention(principal, Date.now(), { kind: "battery-low" })
 * ```
 */
export const AttentionQuery = Schema.Struct(attentionFields).check(attentionFlaw)
export type AttentionQuery = typeof AttentionQuery.Type

/** A page of it; with `nextCursor`, there may be more. */
export interface NeedsAttention {
  readonly items: ReadonlyArray<LockAttention | WebhookAttention>
  readonly nextCursor: string | undefined
}

/** How everything is. */
export interface Overview extends LocksOverview {
  /** How many webhooks need somebody, to those who manage them. */
  readonly webhooks?: { readonly failing: number; readonly disabled: number }
}

/**
 * Tells what needs somebody to those whose locks and webhooks it is about.
 *
 * @param webhooks none, where nobody sends to them
 */
export const attending = Effect.fnUntraced(function* (webhooks: Webhooks["Service"] | undefined) {
  const lists = yield* LockLists
  /** `undefined`: they are none of the principal's business. */
  const ofWebhooks = (principal: Principal) => {
    const tenant = tenantOf(principal, undefined, "admin")
    return webhooks === undefined || Result.isFailure(tenant)
      ? Effect.succeed(undefined)
      : webhooks.attention(tenant.success)
  }
  return {
    /** A page at `now`, epoch milliseconds; webhooks come first. */
    attention: Effect.fnUntraced(function* (principal: Principal, query: AttentionQuery, now: number) {
      const { kind, ...page } = query
      const first = query.after === undefined && !isOfLock(kind) ? ((yield* ofWebhooks(principal)) ?? []) : []
      const items = first.filter((item) => (kind ?? item.kind) === item.kind)
      // Who may not ask is refused whatever they ask for.
      const asked = isOfLock(kind) ? { ...page, kind } : page
      const ofLocks = yield* lists.attention(principal, asked, now)
      if (kind !== undefined && !isOfLock(kind)) return { items, nextCursor: undefined } satisfies NeedsAttention
      return { items: [...items, ...ofLocks.items], nextCursor: ofLocks.nextCursor } satisfies NeedsAttention
    }),
    /** How many there are at `now`, and how many need somebody. */
    overview: Effect.fnUntraced(function* (principal: Principal, now: number) {
      const overview = yield* lists.overview(principal, now)
      const needing = yield* ofWebhooks(principal)
      if (needing === undefined) return overview satisfies Overview
      const disabled = needing.filter(({ kind }) => kind === "webhook-disabled").length
      return { ...overview, webhooks: { failing: needing.length - disabled, disabled } } satisfies Overview
    })
  }
})
