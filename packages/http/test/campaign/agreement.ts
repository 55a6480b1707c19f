/** What the hardware of many locks really holds after a campaign, and did: what the log wants, or Latchkey says where it does not. */
import { type Lock, type StoredEvent, streamOfLock } from "@latchkey/core"
import type { Streams } from "./account.ts"
import type { Begun, Devices } from "./devices.ts"
import { rejudge, type Violation } from "./rejudge.ts"

/** What Latchkey answers about a lock. */
export interface Shown {
  readonly uuid: string
  readonly keys: ReadonlyArray<{ readonly uuid: string; readonly hardware: { readonly status: string } }>
  /** Keys for which the hardware may still open, though it should not. */
  readonly exposed: ReadonlyArray<{ readonly keyUuid: string; readonly status: string }>
  readonly pendingCommands: ReadonlyArray<{ readonly expiresAt?: string }>
}

/** Whether nothing is under way any more, at an instant (epoch milliseconds), and all is as it is wanted. */
export const isAgreed = ({ keys, exposed, pendingCommands }: Shown, now: number): boolean =>
  exposed.length === 0 &&
  keys.every(({ hardware }) => hardware.status === "confirmed") &&
  pendingCommands.every(({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) < now)

export const needsAttention = ({ keys, exposed }: Shown): boolean =>
  [...keys.map(({ hardware }) => hardware), ...exposed].some(({ status }) => status === "attention")

export interface HardwareBooks {
  readonly streams: Streams
  readonly devices: Devices
  /** Every device that each lock had or was to have. */
  readonly things: ReadonlyMap<number, ReadonlyArray<string>>
  readonly shown: ReadonlyMap<number, Shown>
  /** Locks whose devices come to their shadows. */
  readonly reachable: ReadonlySet<number>
}

export const disagreements = ({
  streams,
  devices,
  things,
  shown,
  reachable
}: HardwareBooks): ReadonlyArray<Violation> =>
  [...shown].flatMap(([lockId, said]) => {
    const stream = streams.get(streamOfLock(lockId)) ?? []
    const { lock } = rejudge(lockId, stream, () => undefined)
    if (lock === undefined) return [`lock ${lockId} is answered, and not in the log`]
    const found = [
      ...(reachable.has(lockId) ? agreementOf(lock, said, devices) : listingOf(lock, said, devices)),
      ...openingsOf(stream, lock, devices),
      ...outcomesOf(stream, devices),
      ...(things.get(lockId) ?? []).flatMap((thing) => deedsOf(thing, stream, devices))
    ]
    return found.map((what) => `lock ${lockId}: ${what}`)
  })

/** The wanted keys that a device has not where they are wanted, and those that it has and nobody wants. */
const differences = (lock: Lock, devices: Devices) => {
  const held = devices.keys(lock.uuid)
  const wanted = new Set(lock.keys.map(({ uuid }) => uuid))
  return {
    missing: lock.keys.flatMap(({ uuid, indexNumber }) =>
      held.has(uuid) && held.get(uuid) === indexNumber ? [] : [uuid]
    ),
    left: [...held.keys()].filter((uuid) => !wanted.has(uuid))
  }
}

/** A lock that is reached has what is wanted, and is said to. */
const agreementOf = (lock: Lock, { keys, exposed }: Shown, devices: Devices): ReadonlyArray<string> => {
  const { missing, left } = differences(lock, devices)
  const unsaid = keys.filter(({ hardware }) => hardware.status !== "confirmed").map(({ uuid }) => uuid)
  return [
    ...tell("its hardware has not", missing),
    ...tell("its hardware still has", left),
    ...tell("not said to be there", unsaid),
    ...tell(
      "said to be there still",
      exposed.map(({ keyUuid }) => keyUuid)
    )
  ]
}

/** Of one that is not, whatever is otherwise is listed. */
const listingOf = (lock: Lock, { keys, exposed }: Shown, devices: Devices): ReadonlyArray<string> => {
  const { missing, left } = differences(lock, devices)
  const confirmed = new Set(keys.flatMap(({ uuid, hardware }) => (hardware.status === "confirmed" ? [uuid] : [])))
  return [
    ...tell(
      "said to be there, and not there",
      missing.filter((uuid) => confirmed.has(uuid))
    ),
    ...tell(
      "there, and nobody says so",
      left.filter((uuid) => !exposed.some(({ keyUuid }) => keyUuid === uuid))
    )
  ]
}

/** Every opening at the door is in the history or counted there, unless the lock has still to tell of it. */
const openingsOf = (stream: ReadonlyArray<StoredEvent>, { uuid }: Lock, devices: Devices): ReadonlyArray<string> => {
  const since = stream.findLastIndex(({ type, data }) => type === "LockUuidChanged" && data["newUuid"] === uuid)
  const events = stream.slice(since + 1)
  const opened = events.filter(({ type }) => type === "OpenedAtDoor")
  const missed = events.reduce(
    (sum, { type, data }) => sum + (type === "OpeningsMissed" ? Number(data["missed"]) : 0),
    0
  )
  const series = Map.groupBy(opened, ({ data }) => String(data["series"]))
  const last = new Map(
    [...series].map(([name, ofIt]) => [name, Math.max(...ofIt.map(({ data }) => Number(data["count"])))])
  )
  const counted = [...last.values()].reduce((sum, count) => sum + count, 0)
  // What the device told before it was the lock's is nobody's, so how many it had is only known from its first one here on.
  const before = Number(opened[0]?.data["count"] ?? 1) - 1
  const total = opened.length + missed
  const now = devices.openings(uuid)
  const known = last.get(now.series)
  return [
    ...(total <= counted && total >= counted - before
      ? []
      : [`of ${counted} openings ${opened.length} and ${missed} are known`]),
    // What it told before it was the lock's is nobody's.
    ...(known === undefined || (known >= now.told && known <= now.last)
      ? []
      : [`its device has told ${now.told} of ${now.last} openings, and the log knows ${known}`])
  ]
}

/** An outcome is of a command that the lock's device of that time has carried out, or let pass. */
const outcomesOf = (stream: ReadonlyArray<StoredEvent>, devices: Devices): ReadonlyArray<string> => {
  let thing: unknown
  return stream.flatMap(({ type, data, version }) => {
    if (type === "LockCreated") thing = data["uuid"]
    if (type === "LockUuidChanged") thing = data["newUuid"]
    if (type !== "CommandOutcomeReported") return []
    const commandId = String(data["commandId"])
    return [
      ...(data["uuid"] === thing ? [] : [`version ${version} is of ${data["uuid"]}, which it has no more`]),
      ...(devices.outcomes(String(data["uuid"])).has(commandId)
        ? []
        : [`no device has told what became of ${commandId}`])
    ]
  })
}

/** What a device did was sent to it, and nothing was late, twice, or overtaken by what was sent afterwards. */
const deedsOf = (thing: string, stream: ReadonlyArray<StoredEvent>, devices: Devices): ReadonlyArray<string> => {
  const sent = new Set(stream.flatMap(({ commandId, data }) => (data["uuid"] === thing ? [commandId] : [])))
  const lives = devices.lives(thing)
  const of = (what: string, is: (begun: Begun, before: Begun | undefined) => boolean) =>
    tell(
      `${thing} ${what}`,
      lives.flatMap((life) => life.flatMap((begun, n) => (is(begun, life[n - 1]) ? [begun.commandId] : [])))
    )
  return [
    ...of("did what it was not sent", ({ commandId }) => !sent.has(commandId)),
    ...of("did too late", ({ at, expiresAt }) => expiresAt !== undefined && at >= expiresAt),
    ...of("did again, or after what overtook it", ({ seq }, before) => before !== undefined && before.seq >= seq)
  ]
}

const tell = (what: string, which: ReadonlyArray<string>): ReadonlyArray<string> =>
  which.length === 0 ? [] : [`${what}: ${which.join(" ")}`]
