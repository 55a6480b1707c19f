/** `latchkey explain`: why a lock opens to a key or a user, or does not, or did not; from the log itself. */
import {
  type Explanation,
  explainFromLog,
  type Fact,
  Instant,
  instantOf,
  LockId,
  type ShownPrincipal,
  Text,
  UuidText
} from "@latchkey/core"
import { Clock, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Asked } from "../api/WhyApi.ts"
import { explanationInfo, requestOf } from "../why/explanationInfo.ts"
import { print } from "./output.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withLog } from "./withStore.ts"

/** Options that do not go together; `message` names the one that is wrong, and says what to do. */
class Unclear extends Schema.TaggedError<Unclear>()("Unclear", { message: Schema.String }) {}

const option = (name: string, schema: Schema.Codec<string, string>, description: string) =>
  Flag.String(name).pipe(Flag.withSchema(schema), Flag.withDescription(description), Flag.optional)

export const explain = (adapters: StoreAdapters) =>
  Command.make(
    "explain",
    {
      lockId: Flag.Int("lock").pipe(Flag.withSchema(Lock), Flag.withDescription("The number of the lock")),
      tempKeyUuid: option("temp-key", UuidText, "A temp key, by its uuid"),
      keyUuid: option("key", Text, "A permanent key, by its uuid"),
      pinOf: option(
        "pin-of",
        UuidText,
        "A shared key, by its uuid: would its PIN open the lock? A PIN itself is never given"
      ),
      pinAttempt: Flag.Literals("pin-attempt", ["last"]).pipe(
        Flag.withDescription('"last": the newest PIN that was entered at the lock by then'),
        Flag.optional
      ),
      attemptId: option("attempt", Text, "One attempt that was recorded, by its id"),
      eventId: option("event", Text, "One event of the history, by its id"),
      userId: option("user", Text, "Who comes with the key; alone: what this user may do as owner or key holder"),
      at: option("at", Instant, "The instant to explain, as 2026-08-31T09:00:00Z; default: now")
    },
    Effect.fnUntraced(function* ({ lockId, ...options }) {
      const asked: typeof Asked.Type = Object.fromEntries(
        Object.entries(options).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
      )
      const fault = faultIn(asked)
      if (fault !== undefined) return yield* new Unclear({ message: fault })
      const explanation = yield* explainFromLog(lockId, requestOf(asked, yield* Clock.currentTimeMillis))
      yield* print({ lockId, ...explanationInfo(explanation) }, inWords(lockId, explanation))
    }, withLog(adapters))
  ).pipe(Command.withDescription("Say why a lock opens to a key or a user, or does not, now or at an instant"))

const Lock = LockId.annotate({ expected: "the number of a lock, 1 or more" })

/** How what may be asked about is written here. */
const SUBJECTS = {
  tempKeyUuid: "--temp-key",
  keyUuid: "--key",
  pinOf: "--pin-of",
  pinAttempt: "--pin-attempt",
  attemptId: "--attempt",
  eventId: "--event"
} as const
const NAMES = Object.values(SUBJECTS)

/** A sentence about the first thing that is wrong with a question, by the rules of `Asked`. */
const faultIn = ({ userId, at, ...subjects }: typeof Asked.Type): string | undefined => {
  const [first, second] = Object.entries(SUBJECTS).flatMap(([name, flag]) =>
    Object.hasOwn(subjects, name) ? [flag] : []
  )
  if (first === undefined) {
    return userId === undefined
      ? `Say what to explain: one of ${NAMES.slice(0, -1).join(", ")} and ${NAMES.at(-1)}, or a --user alone.`
      : undefined
  }
  if (second !== undefined) return `${second} does not go with ${first}: explain one at a time.`
  const isKey = first === SUBJECTS.tempKeyUuid || first === SUBJECTS.keyUuid
  if (userId !== undefined && !isKey)
    return `--user does not go with ${first}: it comes with --temp-key or --key, or alone.`
  const isRecorded = first === SUBJECTS.attemptId || first === SUBJECTS.eventId
  return at !== undefined && isRecorded
    ? `--at does not go with ${first}, which says by itself when it was.`
    : undefined
}

const inWords = (
  lockId: number,
  { at, version, allowed, rule, message, nextChangeAt, recorded, facts }: Explanation
): string =>
  [
    `Lock ${lockId} at ${instantOf(at)} (version ${version}): ${allowed ? "allowed" : "refused"} by ${rule}`,
    message,
    ...(recorded === undefined
      ? []
      : [`Recorded: ${recorded.outcome} (${who(recorded.principal)}, ${recorded.eventId})`]),
    ...(facts.tempKey?.wallTime === undefined
      ? []
      : [`On the wall: ${facts.tempKey.wallTime} (${facts.tempKey.schedule?.timeZone})`]),
    ...(facts.lockedOutUntil === undefined
      ? []
      : [`Its guesser was locked out until ${instantOf(facts.lockedOutUntil)}`]),
    ...(nextChangeAt === undefined ? [] : [`Time alone changes the status next at ${instantOf(nextChangeAt)}`]),
    ...(facts.events.length === 0 ? [] : ["Rests on:", ...facts.events.map(line)])
  ]
    .map(visible)
    .join("\n")

const line = ({ version, type, at, principal, eventId }: Fact): string =>
  `  ${version}  ${type}  ${instantOf(at)}  ${who(principal)}  ${eventId}`

const who = (principal: ShownPrincipal): string => {
  if ("orgId" in principal) return `organization ${principal.orgId}`
  return principal._tag === "User" && "userId" in principal ? `user ${principal.userId}` : principal._tag.toLowerCase()
}
