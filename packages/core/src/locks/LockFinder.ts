/** Which lock a temp key is on: as the read model says, or, while it cannot, as the log does. */
import { Duration, Effect, Option, Semaphore } from "effect"
import { lockOfStream } from "../lock/Lock.ts"
import { canonical } from "../lock/TempKey.ts"
import { lookups } from "../read-model/Lookups.ts"
import { Projector } from "../read-model/Projector.ts"
import { ReadModel } from "../read-model/ReadModel.ts"
import { EventStore, type StoredEvent } from "../streams/EventStore.ts"
import { logSeldom } from "../streams/SeldomLog.ts"
import { forEachPaged } from "../streams/Turns.ts"

/** How long a key that the read model does not know is waited for. */
const CATCH_UP = Duration.seconds(1)

/** Looks up the lock by the uuid of a temp key; none when no lock ever had it. */
export const lockFinder = Effect.gen(function* () {
  const { lockOfTempKey } = lookups(yield* ReadModel)
  const projector = yield* Projector
  const searchLog = yield* logSearch

  return Effect.fnUntraced(function* (tempKeyUuid: string) {
    const known = lockOfTempKey(tempKeyUuid)
    const answered = yield* known.pipe(
      // What it knows stays true. What it does not know may be on its way.
      Effect.flatMap((found) =>
        Option.isSome(found)
          ? Effect.succeed(Option.some(found))
          : Effect.flatMap(projector.catchUp(CATCH_UP), (isCurrent) =>
              isCurrent ? Effect.asSome(known) : Effect.succeedNone
            )
      ),
      Effect.catchTag("ReadModelUnavailable", (error) =>
        Effect.as(
          logSeldom(
            Effect.logWarning,
            "Temp keys are looked up in the log: the read model is unavailable",
            error.message
          ),
          Option.none()
        )
      )
    )
    return Option.isSome(answered) ? answered.value : yield* searchLog(canonical(tempKeyUuid))
  })
})

/** Reads every event of locks once, however many keys are asked for, and keeps only which lock had which key first. */
const logSearch = Effect.gen(function* () {
  const store = yield* EventStore
  const oneAtATime = yield* Semaphore.make(1)
  const locks = new Map<string, number>()
  let position = 0

  const take = ({ streamId, type, data, position: at }: StoredEvent): void => {
    position = at
    if (type !== "TempKeyCreated") return
    const lockId = lockOfStream(streamId)
    const uuid = canonical(String(data["tempKeyUuid"]))
    if (lockId !== undefined && !locks.has(uuid)) locks.set(uuid, lockId)
  }
  const readOn = Effect.suspend(() =>
    forEachPaged(
      (after, limit) => store.feed(after, limit, { category: "lock" }),
      (event) => event.position,
      take,
      position
    )
  )

  return (uuid: string) => Effect.map(oneAtATime.withPermit(readOn), () => Option.fromUndefinedOr(locks.get(uuid)))
})
