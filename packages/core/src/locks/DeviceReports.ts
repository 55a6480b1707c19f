/** What devices say, taken in: presence; outcomes of commands, their state and openings at the door, into the history of their lock. */
import { Clock, Context, Effect, Layer, Random, Stream } from "effect"
import { type DeviceReport, DeviceShadow, type ShadowUnavailable } from "../device/DeviceShadow.ts"
import { Presence, type PresenceUnavailable } from "../device/Presence.ts"
import { reportedKeysIn, reportedStateIn } from "../device/ReportedState.ts"
import { lockOfStream } from "../lock/Lock.ts"
import type { CommandOf } from "../lock/LockCommand.ts"
import { keepGoing, soon } from "../streams/Backoff.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import { commit, find } from "../streams/Reservations.ts"
import { inBackground } from "../streams/Workers.ts"
import { Claims } from "./Claims.ts"
import { commandLog, isKeepable } from "./CommandLog.ts"
import { outcomesIn } from "./CommandsInShadow.ts"
import { CountedUses } from "./CountedUses.ts"
import { type ExecuteError, Locks } from "./Locks.ts"

/** The report is not kept, or not altogether: hand it over again. */
export type ReportError = ExecuteError | StoreUnavailable | ShadowUnavailable | PresenceUnavailable

type OutcomeReport = Extract<DeviceReport, { readonly _tag: "CommandOutcome" }>
type StateReport = Extract<DeviceReport, { readonly _tag: "State" }>
type OpeningsReport = Extract<DeviceReport, { readonly _tag: "Openings" }>

/** Reports that are taken in at the same time. */
const AT_ONCE = 64
/** Tries of a report while others write to the same key. */
const TRIES = 20
/** Characters of a device's own words that are kept. */
export const LONGEST_DETAIL = 500
/** The times that a `Date` can say, in milliseconds before and after 1970. */
const END_OF_TIME = 8.64e15

/** Records what devices report of their commands. */
export class DeviceReports extends Context.Service<
  DeviceReports,
  {
    /**
     * Takes in one report; when it answers, nothing of it can be lost. Reports may come in any order and any number of
     * times, in whichever process. For what brings reports past the shadow's own stream, as a queue does.
     */
    readonly take: (report: DeviceReport) => Effect.Effect<void, ReportError>
  }
>()("@latchkey/core/DeviceReports") {
  /** In the background it takes in what the shadow's own stream says. */
  static readonly layer = Layer.effect(
    DeviceReports,
    Effect.gen(function* () {
      const store = yield* EventStore
      const shadow = yield* DeviceShadow
      // For a device that answers days later, too, when the store has forgotten how its command was settled.
      const { lockOfThing } = yield* Claims
      const presence = yield* Presence
      const locks = yield* Locks
      const uses = yield* CountedUses
      const { asked, askedIn } = commandLog(store)

      /** By the log: what the thing's acknowledgement proves is committed first, if it was still open. */
      const committed = Effect.fnUntraced(function* ({ thing, commandId }: Pick<OutcomeReport, "thing" | "commandId">) {
        const known = yield* find(store, commandId)
        // Whichever attempt is open: no earlier one can have reached the device. Other things prove nothing.
        if (known._tag === "Prepared" && known.reservation.thing !== thing) return undefined
        const settlement = known._tag === "Prepared" ? yield* commit(store, known.reservation) : known
        if (settlement._tag === "Discarded") return undefined
        return lockOfStream(settlement.streamId)
      })

      /** The lock judges whether it waits for this; answers whether it did. */
      const record = Effect.fnUntraced(function* (lockId: number, report: OutcomeReport) {
        const { commandId, thing, outcome, detail, began } = report
        const at = yield* Clock.currentTimeMillis
        const back = outcome === "done" ? undefined : yield* uses.returnOf(commandId, at)
        const told: CommandOf<"RecordOutcome"> = {
          _tag: "RecordOutcome",
          lockId,
          // A command has one outcome, however often it is reported: the one that came first.
          commandId: `${commandId}-outcome`,
          at,
          principal: { _tag: "System" },
          answered: commandId,
          thing,
          outcome,
          reportedAt: Math.abs(report.at) <= END_OF_TIME ? Math.trunc(report.at) : at,
          ...(detail === undefined ? {} : { detail: keepable(detail) }),
          ...(began === undefined ? {} : { began }),
          ...(back === undefined ? {} : { back })
        }
        if ((yield* locks.execute(told)).events.length > 0) return true
        // The lock's state keeps its latest commands; the log has them all.
        const found = yield* askedIn(lockId, commandId)
        return found !== undefined && (yield* locks.execute({ ...told, forgotten: found.sent })).events.length > 0
      })

      const takeOutcome = Effect.fnUntraced(function* (report: OutcomeReport) {
        const { thing, commandId } = report
        const lockId = isKeepable(commandId)
          ? ((yield* committed(report)) ?? (yield* asked(commandId))?.lockId ?? (yield* lockOfThing(thing)))
          : undefined
        const isNew =
          lockId !== undefined &&
          (yield* record(lockId, report).pipe(
            // Others use the same key at this moment.
            Effect.retry({ while: ({ _tag }) => _tag === "CountMoved", times: TRIES }),
            Effect.catchTag("CommandExists", () => Effect.succeed(false))
          ))
        if (!isNew) yield* Effect.logDebug("A device answered a command that nobody sent it, or again", { thing })
        // Only now: what is cleared is evidence of nothing any more.
        yield* shadow.settle(thing, commandId)
      })

      /** Of what Latchkey asks by itself, on behalf of a device. The id is of this try alone: the lock knows what is new. */
      const context = Effect.fnUntraced(function* (lockId: number, about: string) {
        const at = yield* Clock.currentTimeMillis
        const commandId = `${about}-${at}-${Math.abs(yield* Random.nextInt)}`
        return { lockId, commandId, at, principal: { _tag: "System" } } as const
      })

      const takeState = Effect.fnUntraced(function* ({ thing, reported, at }: StateReport) {
        yield* presence.report({ thing, at })
        const [state, keys] = [reportedStateIn(reported["state"]), reportedKeysIn(reported["keys"])]
        const lockId = (state ?? keys) && (yield* lockOfThing(thing))
        if (lockId === undefined) return
        if (state !== undefined) {
          const about = yield* context(lockId, "state")
          yield* locks.execute({ ...about, _tag: "RecordState", thing, seenAt: Math.trunc(at), ...state })
        }
        if (keys !== undefined) {
          // What it has run is in the log, and what it says here became of that, before it is compared with that.
          if (keys.after !== undefined && isKeepable(keys.after)) yield* committed({ thing, commandId: keys.after })
          yield* Effect.forEach(yield* outcomesIn(thing, reported["commands"], at), take, { discard: true })
          yield* locks.execute({
            ...(yield* context(lockId, "keys")),
            _tag: "RecordKeys",
            thing,
            seenAt: Math.trunc(at),
            ...keys
          })
        }
      })

      const takeOpenings: (report: OpeningsReport) => Effect.Effect<void, ReportError> = Effect.fnUntraced(
        function* (report) {
          const { _tag: _, ...openings } = report
          const { thing, series, list } = openings
          const lockId = yield* lockOfThing(thing)
          if (lockId !== undefined)
            yield* locks.execute({ ...(yield* context(lockId, "openings")), _tag: "RecordOpenings", ...openings })
          // Another lock has got the thing meanwhile: they are for that one to hear, and gone once they are cleared.
          if ((yield* lockOfThing(thing)) !== lockId) return yield* takeOpenings(report)
          // Only now: the lock forgets what is not there any more.
          yield* shadow.clearOpenings(thing, series, Math.max(0, ...list.map(({ n }) => n)))
        }
      )

      const take = (report: DeviceReport): Effect.Effect<void, ReportError> => {
        switch (report._tag) {
          case "Presence":
            return presence.report(report)
          case "State":
            return takeState(report)
          case "Openings":
            return takeOpenings(report)
          case "CommandOutcome":
            return takeOutcome(report)
        }
      }

      yield* shadow.reports.pipe(
        // Reports do not wait for each other: outcomes are recorded once, and presence goes by its time.
        Stream.mapEffect((report) => Effect.retry(take(report), soon), { concurrency: AT_ONCE, unordered: true }),
        Stream.runDrain,
        // Listening begins again with what the shadow still holds, so nothing that failed here is lost.
        keepGoing("Cannot take in device reports"),
        inBackground
      )
      return { take }
    })
  )
}

/** A device may say anything: what every store can keep of it, and no more than is of use. */
const keepable = (detail: string): string => detail.slice(0, LONGEST_DETAIL).toWellFormed().replaceAll("\0", "\uFFFD")
