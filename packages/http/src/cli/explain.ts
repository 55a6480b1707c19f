/** `latchkey explain`: why a lock opens to a key or a user, or does not, or did not; from the log itself. */
import { type Explanation, explainFromLog, type Fact, instantOf, LockId, type ShownPrincipal } from "@latchkey/core"
import { Clock, Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Asked } from "../api/WhyApi.ts"
import { requestOf } from "../why/WhyHandlers.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withLog } from "./withStore.ts"

class Unclear extends Schema.TaggedError<Unclear>()("Unclear", {}) {
  override get message() {
    return "Ask about one of --temp-key, --key, --pin-of, --pin-attempt last, --attempt and --event, or about a --user alone. Temp keys and shared keys are named by UUIDs, --at is an instant such as 2026-08-31T09:00:00Z, and an --attempt or an --event says by itself when it was."
  }
}

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

export const explain = (adapters: StoreAdapters) =>
  Command.make(
    "explain",
    {
      lockId: Flag.Int("lock").pipe(Flag.withSchema(LockId), Flag.withDescription("The number of the lock")),
      tempKeyUuid: text("temp-key", "A temp key, by its uuid"),
      keyUuid: text("key", "A permanent key, by its uuid"),
      pinOf: text("pin-of", "A shared key, by its uuid: would its PIN open the lock? A PIN itself is never given"),
      pinAttempt: text("pin-attempt", '"last": the newest PIN that was entered at the lock by then'),
      attemptId: text("attempt", "One attempt that was recorded, by its id"),
      eventId: text("event", "One event of the history, by its id"),
      userId: text("user", "Who comes with the key; alone: what this user may do as owner or key holder"),
      at: text("at", "The instant to explain, as 2026-08-31T09:00:00Z; default: now")
    },
    Effect.fnUntraced(function* ({ lockId, ...given }) {
      const asked = yield* decode(
        Object.fromEntries(
          Object.entries(given).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
        )
      ).pipe(Effect.mapError(() => new Unclear()))
      const request = requestOf(asked, yield* Clock.currentTimeMillis)
      yield* Console.log(inWords(lockId, yield* explainFromLog(lockId, request)))
    }, withLog(adapters))
  ).pipe(Command.withDescription("Say why a lock opens to a key or a user, or does not, now or at an instant"))

const decode = Schema.decodeUnknownEffect(Asked)

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
