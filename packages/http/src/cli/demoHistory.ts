/** What the demo begins with: three places, twelve locks, and what happened there in a year. */
import { randomUUID } from "node:crypto"
import { commandOf, instantOf, Locks, type Principal, type Said } from "@latchkey/core"
import { Clock, Effect } from "effect"
import { v7 } from "uuid"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WEEK = 7 * DAY
const WEEKS = 52

/** Whose everything is. */
export const DEMO_ORGANIZATION = "seaside"

const PLACES = [
  { name: "Harbour House", address: "Quay Street 4, Brighton", timeZone: "Europe/London" },
  { name: "Villa Olive", address: "Odos Agias Irinis 12, Chania", timeZone: "Europe/Athens" },
  { name: "Mill Court", address: "Am Mühlbach 7, Freiburg", timeZone: "Europe/Berlin" }
]
const DOORS = ["Front door", "Garden gate", "Studio", "Cellar"]

/** Makes the locks and their history, each command at its time. */
export const demoHistory = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const locks = PLACES.flatMap((place, p) =>
    DOORS.map((door, d) => ({ place, door, lockId: p * DOORS.length + d + 1 }))
  )
  return yield* Effect.forEach(locks, (lock) => historyOf(lock, now), { concurrency: "unbounded" })
})

type Place = (typeof PLACES)[number]

/** A guest comes every week, and opens the door once to three times. */
const historyOf = Effect.fnUntraced(function* (
  { place, door, lockId }: { readonly place: Place; readonly door: string; readonly lockId: number },
  now: number
) {
  const { execute } = yield* Locks
  const uuid = randomUUID()
  const name = `${place.name}, ${door.toLowerCase()}`
  const by = (principal: Principal, at: number) => ({ lockId, commandId: v7(), at, principal })
  const host = { _tag: "Organization", orgId: DEMO_ORGANIZATION } as const
  const begin = now - (WEEKS + 1) * WEEK
  const keys = ["ann", "cleaner"].map((user, n) => ({ uuid: `${user}-${lockId}`, indexNumber: n + 1, userId: user }))
  yield* execute(commandOf("CreateLock", { index: lockId, uuid, ownerId: "ann", keys }, by(host, begin)))
  const { address, timeZone } = place
  const described = {
    name,
    address,
    timeZone,
    contact: "Ann, +44 1273 496000",
    instructions: "Quiet after ten, please."
  }
  yield* execute(commandOf("DescribeLock", described, by(host, begin + MINUTE)))

  const give = (link: Said<"CreateTempKey">["tempKeyUuid"], description: string, from: number, at: number) => {
    const window = { validFrom: instantOf(from), validUntil: instantOf(from + WEEK) }
    const key = { tempKeyUuid: link, accessMode: "public", description, ...window } as const
    return execute(commandOf("CreateTempKey", key, by(host, at)))
  }
  for (let week = WEEKS; week > 0; week--) {
    const from = now - (week + 0.5) * WEEK + lockId * HOUR
    const tempKeyUuid = randomUUID()
    yield* give(tempKeyUuid, `Guests of week ${WEEKS - week + 1}`, from, from - HOUR)
    for (let use = 0; use <= (lockId + week) % 3; use++) {
      yield* execute(commandOf("UseTempKey", { tempKeyUuid }, by(host, from + use * DAY + lockId * MINUTE)))
    }
  }
  if (door !== DOORS[0]) return { lockId, uuid, name, guest: undefined }
  const link = randomUUID()
  yield* give(link, "Guests who are here now", now - HOUR, now)
  return { lockId, uuid, name, guest: link }
})
