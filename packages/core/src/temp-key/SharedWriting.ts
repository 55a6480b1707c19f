/**
 * What is written to the streams of shared credentials: once for each receipt, with the records of links, and by who may.
 */
import { Effect, Option } from "effect"
import { linkRecord } from "../lock/Link.ts"
import { type CommandContext, isAsExpected } from "../lock/LockCommand.ts"
import { AccessDenied } from "../lock/LockError.ts"
import { canonical } from "../lock/TempKey.ts"
import { streamOfLink } from "../locks/Links.ts"
import { asOfCommand, type Decide, type Decision } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { earlierTry, givenFor, notGiven, ReceiptReused } from "../streams/Receipts.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { drawPin, type PinKey } from "./Pins.ts"
import { Credentials, locksWithPin, type SharedCredential, type SharedCredentialEvent } from "./SharedCredential.ts"
import { type KeyEnded, KeyMoved, LinkTaken, SharedCredentialNotFound } from "./SharedCredentialError.ts"
import type { LockReader, Shared } from "./SharedLocks.ts"
import type { makeRegister } from "./SharedRegister.ts"

/** Who asks, when and under which id; of a change, at which version of the key. */
export type SharedContext = Omit<CommandContext, "lockId">

/** A credential as a command left it, and its PIN if the command has set it. */
export type Changed = Shared & { readonly pin: string | null }

/** Why a key was not changed. */
export type ChangeError =
  | SharedCredentialNotFound
  | AccessDenied
  | KeyEnded
  | KeyMoved
  | ReceiptReused
  | CommandExists
  | StoreUnavailable

/** What is decided on: the events, and the link that they give. */
export interface Decided {
  readonly events: ReadonlyArray<SharedCredentialEvent>
  readonly link?: string
}

export const sharedWriting = ({
  store,
  register,
  catchUp,
  lockReader
}: {
  readonly store: EventStore["Service"]
  readonly register: ReturnType<typeof makeRegister>
  readonly catchUp: () => Effect.Effect<void, StoreUnavailable>
  readonly lockReader: () => LockReader
}) => {
  /** What the first request with this receipt made. */
  const replay = Effect.fnUntraced(function* ({ receipt }: SharedContext) {
    const found = yield* earlierTry(store, receipt)
    if (Option.isNone(found)) return undefined
    const uuid = Credentials.idOf(found.value.streamId)
    if (uuid === undefined) return yield* Effect.fail(new ReceiptReused({ id: receipt?.id ?? "" }))
    yield* catchUp()
    return register.get(uuid)
  })

  /** Commands of credentials, whose errors are those of commands. */
  const transact = <E = never, R = never>(
    uuid: string,
    context: SharedContext,
    decide: Decide<SharedCredentialEvent, SharedCredential | undefined, E, R>,
    revokes = false
  ) =>
    Credentials.transact(canonical(uuid), { ...context, revokes }, decide, register.at(canonical(uuid))).pipe(
      asOfCommand(context),
      Effect.provideService(EventStore, store)
    )

  /** What is written with the events: the receipt, if there is one. */
  const receipted = (
    uuid: string,
    version: number,
    receipt: SharedContext["receipt"],
    events: ReadonlyArray<SharedCredentialEvent>
  ): Decision<SharedCredentialEvent> =>
    receipt === undefined
      ? { events }
      : {
          events,
          expect: [notGiven(receipt)],
          put: [givenFor(receipt, Credentials.streamOf(canonical(uuid)), version, events.length)]
        }

  /** The decision, with the record that the link leads to this credential: nobody may have had it before. */
  const withLink = (
    { expect = [], put = [], ...decision }: Decision<SharedCredentialEvent>,
    uuid: string,
    link: string
  ): Decision<SharedCredentialEvent> => {
    const key = linkRecord(link)
    return {
      ...decision,
      expect: [...expect, { key, value: undefined }],
      put: [...put, { key, value: Credentials.streamOf(canonical(uuid)) }]
    }
  }

  /** Refuses links that lead to another key, or did once. */
  const isFree = Effect.fnUntraced(function* (link: string) {
    const owner = yield* streamOfLink(store, link)
    if (Option.isSome(owner)) return yield* Effect.fail(new LinkTaken())
  })

  /**
   * The credential's PIN, for the command that has set it. If another process took the same one at the same moment, and
   * was first, it gets another.
   */
  const pinOf = Effect.fnUntraced(function* (made: SharedCredential, context: SharedContext, key: PinKey) {
    while (true) {
      const { state: credential = made, version } = register.at(made.uuid)
      const lockIds = locksWithPin(credential.doors)
      if (lockIds.length === 0) return null
      if (credential.pin !== undefined && register.owns(credential, key)) {
        return drawPin(key, credential.uuid, credential.pin.draw)
      }
      const next = credential.pin === undefined ? 0 : credential.pin.draw + 1
      const events = register.freePin(key, made.uuid, lockIds, next)
      yield* transact(made.uuid, context, (now) =>
        // Unless a retry of the same request was quicker.
        now.version === version ? { events, suffixes: [String(version + 1)] } : []
      )
      yield* catchUp()
    }
  })

  /**
   * A command to a credential that is there, by who may manage it. With a receipt, a retry answers what it has come to;
   * `key` is given where the command may set a PIN.
   */
  const command = Effect.fnUntraced(function* <E>(
    context: SharedContext,
    uuid: string,
    decide: (
      credential: SharedCredential,
      locks: LockReader,
      version: number
    ) => Effect.Effect<Decided, E | StoreUnavailable>,
    { revokes = false, key }: { readonly revokes?: boolean; readonly key?: PinKey } = {}
  ) {
    yield* catchUp()
    const locks = lockReader()
    const { receipt } = context
    let isRetry = false
    const { after, events } = yield* transact(
      uuid,
      context,
      Effect.fnUntraced(function* ({
        state: credential,
        version
      }): Effect.fn.Return<Decision<SharedCredentialEvent>, E | ChangeError> {
        if (credential === undefined) return yield* Effect.fail(new SharedCredentialNotFound())
        if (!(yield* locks.mayManage(context.principal, credential))) return yield* Effect.fail(notYours)
        isRetry = Option.isSome(yield* earlierTry(store, receipt))
        if (isRetry) return { events: [] }
        if (!isAsExpected(context, credential.version))
          return yield* Effect.fail(new KeyMoved({ version: credential.version }))
        const { link, ...decided } = yield* decide(credential, locks, version)
        const named = decided.events.flatMap((event) =>
          event._tag === "SharedCredentialUpdated" ? (event.doors ?? []).map(({ lockId }) => lockId) : []
        )
        const orgId = yield* locks.toldTo(credential, named)
        const decision = { ...receipted(uuid, version, receipt, decided.events), orgId }
        return link === undefined ? decision : withLink(decision, uuid, link)
      }),
      revokes
    )
    yield* catchUp()
    const made = register.get(canonical(uuid)) ?? after.state
    if (made === undefined) return yield* Effect.die(new Error("A credential is not in its stream"))
    const isPinSet = events.some(({ _tag }) => _tag === "SharedCredentialPinSet")
    const mayHaveSet = isRetry && receipt !== undefined && (yield* hasSetPin(receipt))
    const pin = key !== undefined && (isPinSet || mayHaveSet) ? yield* pinOf(made, context, key) : null
    return { ...(yield* locks.withLocks(register.get(canonical(uuid)) ?? made, context.principal)), pin }
  })

  /** Whether the PIN was set by the command that the receipt was given for. */
  const hasSetPin = Effect.fnUntraced(function* (receipt: NonNullable<SharedContext["receipt"]>) {
    const found = yield* earlierTry(store, receipt)
    if (Option.isNone(found)) return false
    const { streamId, firstVersion, version } = found.value
    const stored = yield* store.read(streamId, firstVersion - 1, version - firstVersion + 1)
    return stored.some(({ type }) => type === "SharedCredentialPinSet")
  })

  return { replay, transact, receipted, withLink, isFree, pinOf, command }
}

const notYours = new AccessDenied({
  action: "Changing this temp key",
  needed: "its maker, or the owner or the organization of all its locks"
})
