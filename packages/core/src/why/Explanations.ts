/** Explains and simulates from the log itself. Nothing here writes, and nothing rests on what is cached. */
import { Context, Effect, Layer, Option, Result, Schema } from "effect"
import { claimIn, claimKey, isDisputed } from "../access/Claims.ts"
import { mayKnowGuests, mayKnowLink, seesLinks } from "../lock/AccessPolicy.ts"
import { decide } from "../lock/Decide.ts"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { type LockRequest, Millis } from "../lock/LockCommand.ts"
import { type CommandRow, commandTable } from "../lock/LockCommands.ts"
import { AccessDenied, DeviceDisputed, LockNotFound, type LockRefused } from "../lock/LockError.ts"
import { isOwnInstant, isOwnTime, type View, viewOf } from "../lock/OwnTime.ts"
import { canonical, withoutGuests } from "../lock/TempKey.ts"
import { streamOfLink } from "../locks/Links.ts"
import { type AskError, LockQueries } from "../locks/LockQueries.ts"
import { forEachRefusedUse, refusedIn, refusedOn } from "../locks/RefusedUses.ts"
import { EventStore, type StoredEvent, type StoreUnavailable } from "../streams/EventStore.ts"
import { heldOn } from "../streams/HeldUses.ts"
import { forEachPaged } from "../streams/Turns.ts"
import { Credentials } from "../temp-key/SharedCredential.ts"
import { SharedCredentials } from "../temp-key/SharedCredentials.ts"
import { given } from "../values/given.ts"
import type { Principal, ShownPrincipal } from "../values/Principal.ts"
import { type AttemptsPage, type AttemptsQuery, readAttempts } from "./Attempts.ts"
import { beginReplay, conclude, replay } from "./Explain.ts"
import { type Use, useOf } from "./ExplainFacts.ts"
import { type Explanation, type Question, Subject } from "./Explanation.ts"
import { lastRefusedPin, questionAboutPin } from "./RefusedPins.ts"
import { beginSimulation, type Simulation } from "./Simulate.ts"

/**
 * What to explain: `at` in epoch milliseconds. An attempt says by itself when it was and about what;
 * the last PIN is the newest that was entered at the lock and is no later than `at`. A PIN itself is never asked for.
 */
export const ExplainRequest = Schema.Union([
  Schema.Struct({ subject: Subject, at: Millis }),
  Schema.Struct({ attemptId: Schema.String }),
  Schema.Struct({ pinAttempt: Schema.Literal("last"), at: Millis })
])
export type ExplainRequest = typeof ExplainRequest.Type

/** Nothing that happened at this lock, and nothing that was refused there, was recorded under this id. */
export class AttemptNotFound extends Schema.TaggedError<AttemptNotFound>()("AttemptNotFound", {
  attemptId: Schema.String
}) {
  override get message() {
    return this.attemptId === "last"
      ? "No PIN was entered at this lock until then."
      : "No event and no attempt of this lock has this id. Use one that its history, its list of attempts, an explanation or a simulation names."
  }
}

/** The update to simulate, in the form of `update-temp-key`. */
export type UpdateTempKey = Omit<Extract<LockRequest, { readonly _tag: "UpdateTempKey" }>, "_tag">

/** Explains and simulates, for those who may ask. */
export class Explanations extends Context.Service<
  Explanations,
  {
    readonly explain: (
      principal: Principal,
      lockId: number,
      request: ExplainRequest
    ) => Effect.Effect<Explanation, AskError | AttemptNotFound>
    /** What was refused at the lock by `now` (epoch milliseconds), newest first. */
    readonly attempts: (
      principal: Principal,
      lockId: number,
      query: AttemptsQuery,
      now: number
    ) => Effect.Effect<AttemptsPage, AskError>
    /** What the update would have changed; it is refused as the update itself would be. */
    readonly simulate: (
      principal: Principal,
      lockId: number,
      update: UpdateTempKey
    ) => Effect.Effect<Simulation, AskError | LockRefused | DeviceDisputed>
  }
>()("@latchkey/core/Explanations") {
  static readonly layer = Layer.effect(
    Explanations,
    Effect.gen(function* () {
      const store = yield* EventStore
      const queries = yield* LockQueries
      const credentials = yield* SharedCredentials
      const fromLog = Effect.provideService(EventStore, store)

      return {
        explain: Effect.fnUntraced(function* (principal, lockId, request) {
          const lock = yield* queries.lock(principal, lockId, "explain")
          const found = yield* fromLog(explainFromLog(lockId, request))
          const view = yield* fromLog(viewOfAsked(principal, lock, request, found))
          if (view === "nothing") return yield* Effect.fail(notTheirs(request))
          const explanation = withoutOthers(principal, lock, view === "hardware" ? withoutNames(found) : found)
          const uuid = linkIn(explanation)
          // Who names a shared key has its link; who names an attempt with it may have one of its doors only.
          const isToldIt = "subject" in request || uuid === undefined || (yield* credentials.mayManage(principal, uuid))
          const told = isToldIt ? explanation : withoutLink(explanation)
          if (!seesLinks(principal)) return withoutLinks(told, "subject" in request)
          // A key of a former side opens again once the lock is back with them.
          const { tempKey } = told.facts
          return "subject" in request || tempKey === undefined || mayKnowLink(principal, tempKey.giver, lock)
            ? told
            : withoutLinks(told, false)
        }),
        attempts: Effect.fnUntraced(function* (principal, lockId, query, now) {
          const lock = yield* queries.lock(principal, lockId, "attempts")
          return yield* fromLog(readAttempts(principal, lock, query, now))
        }),
        simulate: Effect.fnUntraced(function* (principal, lockId, update) {
          const lock = yield* queries.lock(principal, lockId, "simulate-update-temp-key")
          const proposed = {
            _tag: "UpdateTempKey",
            ...update,
            lockId,
            at: lock.changedAt,
            principal,
            commandId: ""
          } as const
          if (lock.retired === undefined && (yield* fromLog(isInDispute(lock))))
            return yield* Effect.fail(new DeviceDisputed({ lockId }))
          const decided = decide(lock, proposed)
          if (Result.isFailure(decided)) return yield* Effect.fail(decided.failure)
          const { tempKeyUuid, ...changes } = update
          const simulation = beginSimulation({ tempKeyUuid, changes })
          yield* fromLog(forEachRefusedUse(lockId, simulation.takeRefused))
          yield* fromLog(forEachEvent(lockId, simulation.take))
          const { wouldRefuse, wouldAccept, ...counted } = simulation.conclude()
          // When others came and went in another's time is not told; that they did counts.
          const isTold = ({ at }: { readonly at: number }) => isOwnInstant(principal, lock, at)
          return { ...counted, wouldRefuse: wouldRefuse.filter(isTold), wouldAccept: wouldAccept.filter(isTold) }
        })
      }
    })
  )
}

/**
 * How much of what is explained is the principal's to know: of an event, as much as the history shows of it; of anything
 * else, all or nothing. Before the lock was there, it was nobody's.
 */
const viewOfAsked = Effect.fnUntraced(function* (
  principal: Principal,
  lock: Lock,
  request: ExplainRequest,
  { version, recorded }: Explanation
): Effect.fn.Return<View, StoreUnavailable, EventStore> {
  const event = "attemptId" in request ? yield* (yield* EventStore).event(request.attemptId) : Option.none()
  if (Option.isSome(event) && event.value.streamId === streamOfLock(lock.lockId))
    return viewOf(principal, lock, event.value)
  return version === 0 || isOwnTime(principal, lock, recorded?.version ?? version) ? "all" : "nothing"
})

/** What happened in another's time is not there to be asked about. */
const notTheirs = (request: ExplainRequest) => {
  if ("attemptId" in request) return new AttemptNotFound({ attemptId: request.attemptId })
  return "pinAttempt" in request
    ? new AttemptNotFound({ attemptId: request.pinAttempt })
    : new AccessDenied({ action: "explain", needed: "an instant at which the lock was yours" })
}

/** What is explained may rest on what others did before: who they were is not told. */
const withoutOthers = (principal: Principal, lock: Lock, { facts: all, ...explanation }: Explanation): Explanation => {
  const { tempKey, sharedKey } = all
  const isTold = tempKey === undefined || mayKnowGuests(principal, tempKey, lock)
  const facts = isTold ? all : { ...all, tempKey: withoutGuests(tempKey) }
  const events = facts.events.map((fact) =>
    isOwnInstant(principal, lock, fact.at) ? fact : { ...fact, principal: kindOf(fact.principal) }
  )
  const made = facts.events.find(({ type }) => type === "SharedCredentialCreated")
  if (sharedKey === undefined || made === undefined || isOwnInstant(principal, lock, made.at))
    return { ...explanation, facts: { ...facts, events } }
  return {
    ...explanation,
    facts: { ...facts, sharedKey: { ...sharedKey, grantedBy: kindOf(sharedKey.grantedBy) }, events }
  }
}

const kindOf = ({ _tag }: ShownPrincipal): ShownPrincipal => ({ _tag })

/** What the history shows of it names nobody. */
const withoutNames = ({ subject, recorded, ...explanation }: Explanation): Explanation => ({
  ...explanation,
  subject: subject._tag === "Command" ? { ...subject, by: kindOf(subject.by) } : { _tag: "Withheld" },
  recorded: recorded && { ...recorded, principal: kindOf(recorded.principal) }
})

/** The link of the shared key that an explanation is about. */
const linkIn = ({ subject, facts }: Explanation): string | undefined =>
  subject._tag === "Pin" ? subject.sharedKeyUuid : facts.sharedKey?.uuid

/** What was asked about is named by its id. */
const withoutLink = ({ facts: { sharedKey, ...facts }, ...explanation }: Explanation): Explanation => {
  const id = sharedKey?.id ?? facts.tempKey?.id
  const hidden = { ...explanation, subject: { _tag: "Withheld", ...given({ tempKeyId: id }) } } as const
  if (sharedKey === undefined) return { ...hidden, facts }
  const { uuid: _, ...shown } = sharedKey
  return { ...hidden, facts: { ...facts, sharedKey: shown } }
}

/** For those who may know no link of the keys that it is about: what they have not named themselves is not told. */
const withoutLinks = ({ facts, ...explanation }: Explanation, isNamed: boolean): Explanation => {
  const { tempKey } = facts
  const hidden = withoutLink({
    ...explanation,
    facts: { ...facts, ...(tempKey && { tempKey: { ...tempKey, uuid: tempKey.id } }) }
  })
  const isAboutLink = explanation.subject._tag === "TempKey" || explanation.subject._tag === "Pin"
  return isAboutLink && !isNamed ? hidden : { ...hidden, subject: explanation.subject }
}

/** The explanation, for callers who may read the log itself. A lock without a stream does not exist. */
export const explainFromLog = Effect.fnUntraced(function* (lockId: number, request: ExplainRequest) {
  const asked: Question = "subject" in request ? request : yield* recorded(lockId, request)
  const uuid = asked.subject._tag === "TempKey" ? asked.subject.tempKeyUuid : sharedKeyIn(asked.subject)
  const sharedKey = uuid === undefined ? [] : yield* sharedKeyStream(canonical(uuid))
  // A key of other doors is none here: anyone who asks does not even learn that it is one.
  const question = hasDoorAt(sharedKey, lockId) ? { ...asked, sharedKey } : asked
  let so = beginReplay(question, yield* refusedOn(lockId, asked.at))
  const latest = Math.max(asked.version ?? 0, ...so.refused.map(({ lockVersion }) => lockVersion))
  yield* forEachEvent(lockId, (stored) => {
    so = replay(so, stored)
    // What came later decides nothing.
    return stored.at > asked.at && stored.version > latest
  })
  const { lock, version } = so.present
  if (version === 0) return yield* Effect.fail(new LockNotFound({ lockId }))
  return conclude(so, {
    isDisputed: lock !== undefined && (yield* isInDispute(lock)),
    held: yield* heldOf(question)
  })
})

/** Whether other locks are on the lock's device now. */
const isInDispute = Effect.fnUntraced(function* ({ uuid }: Lock) {
  const store = yield* EventStore
  return isDisputed(yield* claimIn(uuid, yield* store.record(claimKey(uuid))))
})

/** Uses of a shared key with a limit that are not settled. */
const heldOf = Effect.fnUntraced(function* ({ sharedKey: [first] = [] }: Question) {
  return first === undefined ? 0 : (yield* heldOn(yield* EventStore, first.streamId)).commandIds.length
})

/** All events of a shared key: the one with this first link, else the one that the link leads to, or led to once. */
const sharedKeyStream = Effect.fnUntraced(function* (link: string) {
  const store = yield* EventStore
  const owner = Option.getOrUndefined(yield* streamOfLink(store, link))
  const streamId = owner !== undefined && Credentials.idOf(owner) !== undefined ? owner : Credentials.streamOf(link)
  const events: Array<StoredEvent> = []
  yield* forEachPaged(
    (version, limit) => store.read(streamId, version, limit),
    ({ version }) => version,
    (stored) => void events.push(stored)
  )
  return events
})

const hasDoorAt = (stream: ReadonlyArray<StoredEvent>, lockId: number): boolean =>
  stream.reduce(Credentials.next, Credentials.initial).state?.doors.some((door) => door.lockId === lockId) === true

const sharedKeyIn = (subject: Subject): string | undefined =>
  subject._tag === "Pin" ? subject.sharedKeyUuid : undefined

/** The question about an attempt that was recorded, wherever it was: with the lock, or beside it. */
const recorded = Effect.fnUntraced(function* (
  lockId: number,
  request: Exclude<ExplainRequest, { readonly subject: Subject }>
) {
  const found = yield* "attemptId" in request ? recordedAs(lockId, request.attemptId) : lastPin(lockId, request.at)
  const attemptId = "attemptId" in request ? request.attemptId : request.pinAttempt
  return found ?? (yield* Effect.fail(new AttemptNotFound({ attemptId })))
})

const recordedAs = Effect.fnUntraced(function* (lockId: number, eventId: string) {
  const store = yield* EventStore
  const stored = Option.getOrUndefined(yield* store.event(eventId))
  if (stored === undefined) return undefined
  if (stored.streamId === streamOfLock(lockId)) return yield* questionAboutEvent(stored)
  const refused = refusedIn(lockId, stored)
  if (refused === undefined) return yield* questionAboutPin(lockId, stored)
  return refused._tag === "TempKeyRefused"
    ? questionAbout({ ...refused, version: refused.lockVersion }, { ...refused, by: "link" })
    : questionAboutCommand({ ...refused, version: refused.lockVersion }, refused.command)
})

/** What an event of the lock tells of: the use of a key, or the command that led to it. */
const questionAboutEvent = Effect.fnUntraced(function* (stored: StoredEvent) {
  const store = yield* EventStore
  const { streamId, version, type, commandId } = stored
  const use = useOf(stored)
  if (use !== undefined) return questionAbout(stored, use)
  // Where a temp key of the lock opened it, its use is the event before.
  const [before] = version === 1 || type !== "LockOpenRequested" ? [] : yield* store.read(streamId, version - 2, 1)
  const used = before?.commandId === commandId ? useOf(before) : undefined
  if (before !== undefined && used !== undefined) return questionAbout(before, used)
  const [command] = Object.entries<CommandRow>(commandTable).find(([_, { event }]) => event === type) ?? []
  return command === undefined ? undefined : questionAboutCommand(stored, command)
})

const questionAboutCommand = (
  { eventId, at, principal: by, version }: Pick<StoredEvent, "eventId" | "at" | "principal" | "version">,
  command: string
): Question | undefined =>
  isCommand(command) ? { subject: { _tag: "Command", command, by }, at, attemptId: eventId, version } : undefined

const isCommand = Schema.is(Subject.cases.Command.fields.command)

/** The newest PIN that was entered at the lock by then, whether it opened or was refused. */
const lastPin = Effect.fnUntraced(function* (lockId: number, at: number) {
  let opened: Question | undefined
  yield* forEachEvent(lockId, (stored) => {
    const use = useOf(stored)
    if (use?.by === "PIN" && stored.at <= at) opened = questionAbout(stored, use)
    return stored.at > at
  })
  const refused = yield* lastRefusedPin(lockId, at)
  return refused === undefined || (opened !== undefined && opened.at > refused.at)
    ? opened
    : yield* questionAboutPin(lockId, refused)
})

const questionAbout = (
  { eventId, at, version }: Pick<StoredEvent, "eventId" | "at" | "version">,
  { tempKeyUuid, userId, by }: Omit<Use, "userId"> & { readonly userId?: string | undefined }
): Question => ({
  subject:
    by === "PIN"
      ? { _tag: "Pin", sharedKeyUuid: tempKeyUuid }
      : { _tag: "TempKey", tempKeyUuid, ...(userId !== undefined && { userId }) },
  at,
  attemptId: eventId,
  version
})

/** Page by page, until `take` says that this is enough: a long history is never in memory as a whole, and holds nobody up. */
const forEachEvent = Effect.fnUntraced(function* (lockId: number, take: (stored: StoredEvent) => unknown) {
  const store = yield* EventStore
  let isDone = false
  yield* forEachPaged(
    (version, limit) =>
      isDone ? Effect.succeed<ReadonlyArray<StoredEvent>>([]) : store.read(streamOfLock(lockId), version, limit),
    ({ version }) => version,
    (stored) => {
      isDone ||= take(stored) === true
    }
  )
})
