/** What organizations do with their webhooks. What is sent to them is up to `Dispatcher.ts`. */
import { Clock, Context, Effect, HashMap, Layer, Option, Random, Semaphore } from "effect"
import { OPERATOR } from "../access/ApiKeys.ts"
import { departureIdOf } from "../locks/Departures.ts"
import { type At, asOfCommand, type WriteContext } from "../streams/Category.ts"
import { EventStore, StoreUnavailable, type WriteError } from "../streams/EventStore.ts"
import { Feed } from "../streams/Feed.ts"
import { earlierTry, givenFor, notGiven, type ReceiptReused, type RequestReceipt } from "../streams/Receipts.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { given } from "../values/given.ts"
import { instantOf } from "../values/Text.ts"
import { type Attempt, attemptsBefore, forgetGivenUp, givenUpEvents, givenUpKey } from "./Attempts.ts"
import { type InvalidCursor, positionOf } from "./Cursor.ts"
import { Deliver } from "./Deliver.ts"
import { type Answered, isWaiting, type Lane, meaningOf } from "./Delivery.ts"
import { CurrentOrigin, envelopeOf } from "./Envelope.ts"
import { PartnerFeed, type ToldFilter } from "./PartnerFeed.ts"
import { progressKey, progressOf } from "./ProgressRecord.ts"
import {
  MOST_REPLAYS,
  MOST_WEBHOOKS,
  type Webhook,
  type WebhookChanges,
  WebhookEvent,
  type WebhookRequest,
  WebhookStreams
} from "./Webhook.ts"
import { DeliveryNotFound, TooManyReplays, TooManyWebhooks, UrlRefused, WebhookNotFound } from "./WebhookError.ts"

/** Who asks, when, and under which id. */
export type WebhookContext = Pick<WriteContext, "commandId" | "at" | "principal"> & {
  readonly receipt?: RequestReceipt | undefined
}

/** A webhook, and how it is doing. */
export interface ShownWebhook {
  readonly webhook: Webhook
  /** Why it is as it is; `undefined` where there is nothing to say. */
  readonly reason: string | undefined
  /** Events that it is still to be told of; counted up to 100,000. */
  readonly lag: number
  /** Epoch milliseconds. */
  readonly lastSuccessAt: number | undefined
}

/** What is to be sent again: from a cursor on, or from an instant on (epoch milliseconds). */
export type Replay =
  | { readonly after: string; readonly until?: string | undefined }
  | { readonly since: number; readonly until?: number | undefined }

/** What was refused, or failed, when something about webhooks was asked. */
export type WebhookFailure =
  | WebhookNotFound
  | TooManyWebhooks
  | UrlRefused
  | TooManyReplays
  | DeliveryNotFound
  | InvalidCursor
  | CommandExists
  | ReceiptReused
  | StoreUnavailable

/** What webhooks may need somebody for. */
export const WEBHOOK_ATTENTION = ["webhook-failing", "webhook-disabled"] as const

/** What a webhook needs somebody for. `since`: epoch milliseconds. */
export interface WebhookAttention {
  readonly kind: (typeof WEBHOOK_ATTENTION)[number]
  readonly since: number
  readonly webhookId: string
  readonly url: string
  /** Why it is disabled. */
  readonly reason?: string
  /** What to do. */
  readonly advice: string
}

const FAILING =
  "The receiver of this webhook fails. Events wait, and none is lost. Look at its deliveries for its answers."
const UNVERIFIED =
  "The receiver of this webhook does not answer the challenge with 2xx, and is told nothing until it does. Events wait, and none is lost. Look at its URL and its receiver."
const DISABLED =
  "This webhook is disabled, and its receiver is told nothing. Do away with the reason, then enable it: it goes on where it was."

type Asked<A> = Effect.Effect<A, WebhookFailure>

/** Which events a webhook is for. Worked out once for each: it is asked for every event. */
export const filterOf = (webhook: Webhook): ToldFilter => {
  let filter = filters.get(webhook)
  if (filter === undefined) {
    const { events, lockIds } = webhook
    filter = { types: events.includes("*") ? undefined : new Set(events), lockIds: lockIds && new Set(lockIds) }
    filters.set(webhook, filter)
  }
  return filter
}
const filters = new WeakMap<Webhook, ToldFilter>()

const DAY = 24 * 60 * 60 * 1000
/** How far clocks of servers may differ: the feed is in the order of writes, not of their times. */
const SKEW = 60 * 60 * 1000
const MOST_COUNTED = 100_000
const PAGE = 1_000
const MOST_LISTED = 100
/** Tests of an organization at once: more wait for each other. */
const MOST_TESTS = 4

/** Webhooks of organizations; the organization `*` is the operator, who is told of all. */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** Makes a webhook. The secret is in this answer, in that of `rotate`, and nowhere else. */
    readonly create: (
      orgId: string,
      request: WebhookRequest,
      context: WebhookContext
    ) => Asked<{ readonly shown: ShownWebhook; readonly secret: string }>
    readonly list: (orgId: string) => Asked<ReadonlyArray<ShownWebhook>>
    /** Those that are disabled, or whose receivers fail or do not answer the challenge. Oldest first. */
    readonly attention: (orgId: string) => Effect.Effect<ReadonlyArray<WebhookAttention>, StoreUnavailable>
    readonly get: (orgId: string, id: string) => Asked<ShownWebhook>
    /** Another URL has to answer a challenge first; nothing is lost meanwhile. */
    readonly change: (
      orgId: string,
      id: string,
      changes: WebhookChanges,
      context: WebhookContext
    ) => Asked<ShownWebhook>
    readonly remove: (orgId: string, id: string, context: WebhookContext) => Asked<void>
    readonly rotate: (
      orgId: string,
      id: string,
      context: WebhookContext
    ) => Asked<{ readonly secret: string; readonly previousUntil: number }>
    /** Goes on where it was; one that waits tries again at once. */
    readonly enable: (orgId: string, id: string, context: WebhookContext) => Asked<ShownWebhook>
    readonly disable: (orgId: string, id: string, reason: string, context: WebhookContext) => Asked<ShownWebhook>
    /** Sends an event of type `WebhookTest` now. */
    readonly test: (
      orgId: string,
      id: string,
      context: WebhookContext
    ) => Asked<Answered & { readonly delivered: boolean }>
    readonly replay: (orgId: string, id: string, replay: Replay, context: WebhookContext) => Asked<string>
    /** Attempts, newest first, 100 at most; `before` is the number of one. */
    readonly deliveries: (
      orgId: string,
      id: string,
      outcome: Attempt["outcome"] | undefined,
      before: number | undefined
    ) => Asked<ReadonlyArray<Attempt>>
    /** Sends one event again. */
    readonly retry: (orgId: string, id: string, eventId: string, context: WebhookContext) => Asked<string>
    /** An event that was given up is not to be sent any more. */
    readonly dismiss: (orgId: string, id: string, eventId: string) => Asked<void>
    /** Its receiver has answered the challenge that was sent when it was last changed. */
    readonly verified: (webhook: Webhook) => Asked<void>
    /** It is disabled for what its receiver has answered, unless it was changed since it was as it is given. */
    readonly failed: (webhook: Webhook, reason: string) => Asked<void>
    /** All there are, as this process has heard of them. */
    readonly all: () => ReadonlyArray<Webhook>
    readonly known: (orgId: string, id: string) => Webhook | undefined
    /** The same, with all that has happened by now. */
    readonly latest: (orgId: string, id: string) => Effect.Effect<Webhook | undefined, StoreUnavailable>
  }
>()("@latchkey/core/Webhooks") {
  static readonly layer = Layer.effect(
    Webhooks,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const store = yield* EventStore
  const feed = yield* Feed
  const partners = yield* PartnerFeed
  const deliver = yield* Deliver
  const origin = yield* CurrentOrigin
  /** Tests that are under way, by organization. */
  const tests = new Map<string, Semaphore.Semaphore>()
  const oneOfTests = (orgId: string) => {
    const known = tests.get(orgId) ?? Semaphore.makeUnsafe(MOST_TESTS)
    tests.set(orgId, known)
    return known.withPermit
  }
  const organizations = new Map<string, At<HashMap.HashMap<string, Webhook>>>()
  const webhooksOf = (orgId: string) => organizations.get(orgId) ?? WebhookStreams.initial

  const { catchUp } = yield* feed.register({ category: WebhookStreams.category }, (stored) => {
    const orgId = WebhookStreams.idOf(stored.streamId)
    if (orgId !== undefined) organizations.set(orgId, WebhookStreams.next(webhooksOf(orgId), stored))
  })

  const known = (orgId: string, id: string) => Option.getOrUndefined(HashMap.get(webhooksOf(orgId).state, id))

  const latest = (orgId: string, id: string) => Effect.map(catchUp(), () => known(orgId, id))

  const find = Effect.fnUntraced(function* (orgId: string, id: string) {
    return (yield* latest(orgId, id)) ?? (yield* new WebhookNotFound())
  })

  type Webhooks = HashMap.HashMap<string, Webhook>
  type Decide = (webhooks: Webhooks) => Effect.Effect<ReadonlyArray<WebhookEvent>, WebhookFailure>

  /** Writes what is decided, once for each receipt; answers the events, also those of an earlier try. */
  const transact = Effect.fnUntraced(function* (
    orgId: string,
    { receipt, ...context }: WebhookContext,
    decide: Decide,
    revokes = false
  ) {
    yield* catchUp()
    let earlier: ReadonlyArray<WebhookEvent> | undefined
    const told = orgId === OPERATOR ? "" : orgId
    const { events } = yield* WebhookStreams.transact(
      orgId,
      { ...context, orgId: told, revokes },
      Effect.fnUntraced(function* ({ state, version }: At<Webhooks>) {
        const found = yield* earlierTry(store, receipt)
        if (Option.isSome(found)) {
          const { streamId, firstVersion, version } = found.value
          const stored = yield* store.read(streamId, firstVersion - 1, version - firstVersion + 1)
          earlier = stored.flatMap((event) => WebhookStreams.decode(event) ?? [])
          return { events: [] }
        }
        const events = yield* decide(state)
        if (receipt === undefined) return { events }
        const put = [givenFor(receipt, WebhookStreams.streamOf(orgId), version, events.length)]
        return { events, expect: [notGiven(receipt)], put }
      }),
      webhooksOf(orgId)
    ).pipe(asOfCommand(context), Effect.provideService(EventStore, store))
    // It is stored, whether or not it can be read back now.
    yield* Effect.ignore(catchUp())
    return earlier ?? events
  })

  /** Changes one webhook. */
  const edit = (
    orgId: string,
    id: string,
    context: WebhookContext,
    decide: (webhook: Webhook) => Effect.Effect<ReadonlyArray<WebhookEvent>, WebhookFailure>,
    revokes = false
  ) =>
    transact(
      orgId,
      context,
      (webhooks) =>
        Option.match(HashMap.get(webhooks, id), {
          onNone: (): ReturnType<Decide> => Effect.fail(new WebhookNotFound()),
          onSome: decide
        }),
      revokes
    )

  /** Writes what its receiver's answers have shown of a webhook. */
  const learn = Effect.fnUntraced(function* (
    { orgId, id, changed }: Webhook,
    what: string,
    event: WebhookEvent,
    revokes = false
  ) {
    const context = {
      commandId: `${id}-${what}-${changed}-${Math.abs(yield* Random.nextInt)}`,
      at: yield* Clock.currentTimeMillis,
      principal: { _tag: "System" } as const
    }
    // It has changed meanwhile: what was answered counts no more.
    const decide = (webhook: Webhook) => Effect.succeed(webhook.changed === changed ? [event] : [])
    yield* edit(orgId, id, context, decide, revokes)
  })

  const progressFor = (id: string) => Effect.flatMap(store.record(progressKey(id)), (record) => progressOf(id, record))

  /** Events that wait behind one that failed, or is under way: a thousand of each stream are counted. */
  const behind = ({ orgId }: Webhook, { cursor, held }: Lane) =>
    Effect.map(
      Effect.forEach(
        held,
        ([streamId, { version }]) =>
          Effect.map(
            store.read(streamId, version, PAGE),
            (events) =>
              events.filter((event) => event.position <= cursor && (orgId === OPERATOR || event.orgId === orgId)).length
          ),
        { concurrency: 16 }
      ),
      (counts) => counts.reduce((sum, count) => sum + count, 0)
    )

  const show = Effect.fnUntraced(function* (webhook: Webhook): Effect.fn.Return<ShownWebhook, StoreUnavailable> {
    const progress = yield* progressFor(webhook.id)
    let [position, lag, more] = [progress?.live.cursor ?? webhook.after, 0, true]
    while (more && lag < MOST_COUNTED) {
      const page = yield* partners.page(webhook.orgId, position, PAGE, filterOf(webhook))
      lag += page.told.length
      position = page.upTo
      more = page.more
    }
    if (progress !== undefined) lag += yield* behind(webhook, progress.live)
    const waits = progress !== undefined && webhook.status === "active" && isWaiting(progress)
    const reason = waits ? "Waiting: the receiver fails. It is tried again, and nothing is lost." : webhook.reason
    return { webhook, reason, lag, lastSuccessAt: progress?.lastSuccessAt }
  })

  const get = (orgId: string, id: string) => Effect.flatMap(find(orgId, id), show)

  const mustSuit = (url: string, orgId: string) => {
    const flaw = deliver.flawOf(url, orgId)
    return flaw === undefined ? Effect.void : Effect.fail(new UrlRefused({ flaw }))
  }

  const place = Effect.fnUntraced(function* (orgId: string, cursor: string, field?: string) {
    const position = yield* Effect.fromResult(positionOf(orgId, cursor, field))
    yield* partners.mustExist(position, field)
    return position
  })

  /** The position before which nothing happened as late as this, give or take the clocks. */
  const positionAt = Effect.fnUntraced(function* (instant: number) {
    let [low, high] = [0, yield* store.head]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const [event] = yield* store.feed(middle, 1)
      if (event !== undefined && event.at < instant) low = middle + 1
      else high = middle
    }
    return low
  })

  /** Where an event is in the feed of an organization. */
  const positionIn = Effect.fnUntraced(function* (orgId: string, eventId: string) {
    for (const place of [eventId, departureIdOf(eventId)]) {
      const event = Option.getOrUndefined(yield* store.event(place))
      if (event !== undefined && (orgId === OPERATOR || event.orgId === orgId)) return event.position
    }
    return yield* new DeliveryNotFound()
  })

  const askReplay = Effect.fnUntraced(function* (
    orgId: string,
    id: string,
    range: Omit<Extract<WebhookEvent, { readonly _tag: "WebhookReplayRequested" }>, "_tag" | "webhookId" | "replayId">,
    context: WebhookContext
  ) {
    const asked = (yield* progressFor(id))?.asked ?? 0
    const [event] = yield* edit(orgId, id, context, ({ replays }) =>
      replays.filter(({ version }) => version > asked).length >= MOST_REPLAYS
        ? Effect.fail(new TooManyReplays())
        : Effect.succeed([{ _tag: "WebhookReplayRequested", webhookId: id, replayId: context.commandId, ...range }])
    )
    return event?._tag === "WebhookReplayRequested" ? event.replayId : context.commandId
  })

  return Webhooks.of({
    known,
    latest,
    all: () => [...organizations.values()].flatMap(({ state }) => [...HashMap.values(state)]),
    list: Effect.fnUntraced(function* (orgId) {
      yield* catchUp()
      const webhooks = [...HashMap.values(webhooksOf(orgId).state)].sort((a, b) => a.createdAt - b.createdAt)
      return yield* Effect.forEach(webhooks, show)
    }),
    get,
    attention: Effect.fnUntraced(function* (orgId) {
      yield* catchUp()
      const webhooks = [...HashMap.values(webhooksOf(orgId).state)].sort((a, b) => a.createdAt - b.createdAt)
      const found = yield* Effect.forEach(
        webhooks,
        Effect.fnUntraced(function* ({ id, url, status, reason, disabledAt, createdAt, changed }) {
          const about = { webhookId: id, url }
          if (status === "disabled") {
            const since = disabledAt ?? createdAt
            return [{ kind: "webhook-disabled", since, ...about, ...given({ reason }), advice: DISABLED } as const]
          }
          const progress = yield* progressFor(id)
          if (progress === undefined) return []
          // A challenge that was not answered before the URL was changed says nothing of the receiver.
          const isUnverified =
            status === "pending" && progress.verification.attempts > 0 && progress.changed === changed
          if (!isUnverified && (status === "pending" || !isWaiting(progress))) return []
          const since = progress.failingSince ?? createdAt
          return [{ kind: "webhook-failing", since, ...about, advice: isUnverified ? UNVERIFIED : FAILING } as const]
        })
      )
      return found.flat()
    }),
    create: Effect.fnUntraced(function* (orgId, { after, ...request }, context) {
      yield* mustSuit(request.url, orgId)
      const begins = after === undefined || after === "now" ? yield* store.head : yield* place(orgId, after)
      const { url, events = ["*"], lockIds, description, signature = "hmac", payload = "full" } = request
      const created = WebhookEvent.cases.WebhookCreated.make({
        webhookId: context.commandId,
        url,
        events,
        signature,
        payload,
        after: begins,
        ...(lockIds !== undefined && { lockIds }),
        ...(description !== undefined && { description })
      })
      const [event] = yield* transact(orgId, context, (webhooks) =>
        HashMap.size(webhooks) >= MOST_WEBHOOKS ? Effect.fail(new TooManyWebhooks()) : Effect.succeed([created])
      )
      const id = event?._tag === "WebhookCreated" ? event.webhookId : context.commandId
      const shown = yield* get(orgId, id)
      return { shown, secret: deliver.secretOf(shown.webhook, shown.webhook.secrets[0]?.index ?? 1) }
    }),
    change: Effect.fnUntraced(function* (orgId, id, changes, context) {
      if (changes.url !== undefined) yield* mustSuit(changes.url, orgId)
      yield* edit(orgId, id, context, () =>
        Effect.succeed(Object.keys(changes).length === 0 ? [] : [{ _tag: "WebhookChanged", webhookId: id, ...changes }])
      )
      return yield* get(orgId, id)
    }),
    remove: Effect.fnUntraced(function* (orgId, id, context) {
      yield* edit(orgId, id, context, () => Effect.succeed([{ _tag: "WebhookDeleted", webhookId: id }]), true)
      // What is left behind harms nobody.
      yield* Effect.ignore(forgetGivenUp(store, id))
      yield* Effect.ignore(store.write({ remove: [progressKey(id)] }))
    }),
    rotate: Effect.fnUntraced(function* (orgId, id, context) {
      const [event] = yield* edit(orgId, id, context, ({ secrets }) =>
        Effect.succeed([
          {
            _tag: "WebhookSecretRotated",
            webhookId: id,
            secret: (secrets[0]?.index ?? 0) + 1,
            previousUntil: context.at + DAY
          }
        ])
      )
      const webhook = yield* find(orgId, id)
      if (event?._tag !== "WebhookSecretRotated") return yield* new WebhookNotFound()
      return { secret: deliver.secretOf(webhook, event.secret), previousUntil: event.previousUntil }
    }),
    enable: Effect.fnUntraced(function* (orgId, id, context) {
      yield* edit(orgId, id, context, () => Effect.succeed([{ _tag: "WebhookEnabled", webhookId: id }]))
      return yield* get(orgId, id)
    }),
    disable: Effect.fnUntraced(function* (orgId, id, reason, context) {
      yield* edit(
        orgId,
        id,
        context,
        ({ status }) =>
          Effect.succeed(status === "disabled" ? [] : [{ _tag: "WebhookDisabled", webhookId: id, reason }]),
        true
      )
      return yield* get(orgId, id)
    }),
    test: Effect.fnUntraced(function* (orgId, id, { at, commandId }) {
      const webhook = yield* find(orgId, id)
      const told = {
        id: `test-${commandId}`,
        streamId: WebhookStreams.streamOf(orgId),
        aggregateType: "webhook" as const,
        aggregateId: id,
        version: 1,
        position: yield* store.head,
        at,
        orgId,
        data: { type: "WebhookTest", webhookId: id, timestamp: instantOf(at) }
      }
      const body = JSON.stringify(envelopeOf(told, orgId, origin))
      const answered = yield* oneOfTests(orgId)(deliver.send({ webhook, id: told.id, body, at }))
      return { ...answered, delivered: meaningOf(answered) === "delivered" }
    }),
    replay: Effect.fnUntraced(function* (orgId, id, replay, context) {
      yield* find(orgId, id)
      if ("after" in replay) {
        const after = yield* place(orgId, replay.after)
        const until = replay.until === undefined ? yield* store.head : yield* place(orgId, replay.until, "until")
        return yield* askReplay(orgId, id, { after, until }, context)
      }
      const { since: from, until: to = context.at } = replay
      const after = yield* positionAt(from - SKEW)
      const until = yield* positionAt(to + SKEW)
      return yield* askReplay(orgId, id, { after, until, from, to }, context)
    }),
    deliveries: Effect.fnUntraced(function* (orgId, id, outcome, before = Number.MAX_SAFE_INTEGER) {
      yield* find(orgId, id)
      if (outcome === "given-up") return yield* givenUpEvents(store, id, before, MOST_LISTED)
      const attempts = (yield* progressFor(id))?.attempts ?? 0
      const wanted = (attempt: Attempt) => outcome === undefined || attempt.outcome === outcome
      return yield* attemptsBefore(store, id, Math.min(before, attempts), MOST_LISTED, wanted)
    }),
    retry: Effect.fnUntraced(function* (orgId, id, eventId, context) {
      yield* find(orgId, id)
      const position = yield* positionIn(orgId, eventId)
      return yield* askReplay(orgId, id, { after: position - 1, until: position }, context)
    }),
    dismiss: Effect.fnUntraced(function* (orgId, id, eventId) {
      yield* find(orgId, id)
      const key = givenUpKey(id, yield* positionIn(orgId, eventId))
      yield* Effect.mapError(store.write({ remove: [key] }), asUnavailable)
    }),
    verified: (webhook) => learn(webhook, "verified", { _tag: "WebhookVerified", webhookId: webhook.id }),
    failed: (webhook, reason) =>
      learn(webhook, "disabled", { _tag: "WebhookDisabled", webhookId: webhook.id, reason }, true)
  })
})

/** A batch that expects nothing and appends nothing can only fail with its store. */
const asUnavailable = (error: WriteError): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable({ message: error.message })
