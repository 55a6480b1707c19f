/** The books after a campaign: what clients were told, what the log holds, and what the devices did must agree. */
import { isDeepStrictEqual } from "node:util"
import { Credentials, fromStored, lockOfStream, type StoredEvent, streamOfLock, toWire } from "@latchkey/core"
import { Option } from "effect"
import type { Ask, Clients, Try } from "./clients.ts"
import type { Devices } from "./devices.ts"
import { rejudge, type Violation } from "./rejudge.ts"

interface Log {
  readonly feed: ReadonlyArray<StoredEvent>
  readonly clients: Clients
}

export interface Books extends Log {
  readonly devices: Devices
  /** Ids of the commands that are left in the shadow of each thing. */
  readonly inShadow: ReadonlyMap<string, ReadonlyArray<string>>
}

export const account = (books: Books): ReadonlyArray<Violation> => {
  const streams = streamsOf(books)
  return [...accountOfLog(books, streams), ...devicesOf(books, streams)]
}

/** The same without what devices did. */
export const accountOfLog = (books: Log, streams: Streams): ReadonlyArray<Violation> => [
  ...orderOf(books.feed, streams),
  ...decisionsIn(books, streams),
  ...answersTo(books, streams),
  ...usesOf(books),
  ...bulksIn(books, streams)
]

export const streamsOf = ({ feed }: Pick<Books, "feed">): Streams => Map.groupBy(feed, ({ streamId }) => streamId)

export type Streams = ReadonlyMap<string, ReadonlyArray<StoredEvent>>

/** No event twice, no gap, and times in order. */
const orderOf = (feed: Books["feed"], streams: Streams): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const ids = new Set(feed.map(({ eventId }) => eventId))
  if (ids.size !== feed.length) violations.push(`${feed.length} events have ${ids.size} ids`)
  for (const [index, { position }] of feed.entries())
    if (position !== index + 1) violations.push(`position ${position} at place ${index + 1} of the feed`)
  for (const [streamId, events] of streams) {
    for (const [index, { version, at }] of events.entries()) {
      if (version !== index + 1) violations.push(`${streamId}: version ${version} at place ${index + 1}`)
      const before = events[index - 1]
      if (before !== undefined && at < before.at)
        violations.push(`${streamId}: version ${version} is of an earlier time`)
    }
  }
  return violations
}

/** Every decision follows from the state before it, and each command is in the log of locks once. */
const decisionsIn = ({ feed }: Log, streams: Streams): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const giverOf = (uuid: string, doorId: number) =>
    streams
      .get(Credentials.streamOf(uuid))
      ?.reduce(Credentials.next, Credentials.initial)
      .state?.doors.find(({ id }) => id === doorId)?.giver
  for (const [streamId, events] of streams) {
    const lockId = lockOfStream(streamId)
    if (lockId !== undefined) violations.push(...rejudge(lockId, events, giverOf).violations)
  }
  const ofLocks = feed.filter(({ streamId }) => lockOfStream(streamId) !== undefined)
  for (const [commandId, events] of Map.groupBy(ofLocks, ({ commandId }) => commandId)) {
    const [first, last] = [events[0], events.at(-1)]
    if (first?.streamId !== last?.streamId || (last?.version ?? 0) - (first?.version ?? 0) !== events.length - 1)
      violations.push(`command ${commandId} is in the log more than once`)
  }
  return violations
}

/** What only the event that came of an ask carries. */
const markOf = ({ type, data, principal }: StoredEvent): unknown => {
  switch (type) {
    case "LockCreated":
      return data["uuid"]
    case "KeyAdded":
      return data["keyUuid"]
    case "OwnerSet":
    case "ResidentAdded":
    case "TempKeyUsed":
      return data["userId"]
    case "TempKeyCreated":
      return data["tempKeyUuid"]
    case "LockUuidChanged":
      return data["newUuid"]
    case "LockOpenRequested":
      return data["credentialUuid"] === undefined ? data["requestId"] : "userId" in principal && principal.userId
    default:
      return undefined
  }
}

type Answered = Try & { readonly answer: NonNullable<Try["answer"]> }
const isSuccess = (one: Try): one is Answered => one.answer !== undefined && one.answer.status < 300

/** An answer after which nothing of what was asked can happen any more. */
const isCertainNo = ({ answer }: Try): boolean => {
  if (answer === undefined) return false
  const { status, body } = answer
  if (status === 502) return body.advice?.startsWith("Nothing was recorded") === true
  if (status === 503) return body.error === "Lock busy" || body.error === "Clock behind"
  return status >= 400 && status < 500
}

/** Each answered success is one event, and the same one however often it was asked; a certain no is none. */
const answersTo = ({ clients, feed }: Log, streams: Streams): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const marked = Map.groupBy(feed, markOf)
  const claimed = new Map<number, Ask>()
  const done: Array<{ readonly ask: Ask; readonly event: StoredEvent }> = []
  for (const ask of clients.asks) {
    const { op, lockId, mark, tries } = ask
    const about = `${op} of lock ${lockId} (${mark ?? "no mark"}, ${tries.map(({ answer }) => answer?.status ?? "-").join(" ")})`
    const own = mark === undefined ? [] : (marked.get(mark) ?? [])
    if (own.length > 1) violations.push(`${about}: ${own.length} events`)
    for (const { answer } of tries) {
      if (answer?.status === 500 || answer?.status === 409) violations.push(`${about}: ${JSON.stringify(answer.body)}`)
    }
    if (tries.every(isCertainNo) && own.length > 0) violations.push(`${about}: refused, and in the log`)
    const successes = tries.filter(isSuccess)
    for (const { answer } of successes) {
      const { version, event: told, usedCount } = answer.body
      if (op === "details" || op === "Share" || op === "Revoke" || op === "BulkAddKeys" || told === null) continue
      const event = version === undefined ? own[0] : streams.get(streamOfLock(lockId))?.[version - 1]
      if (event === undefined) violations.push(`${about}: answered, and not in the log`)
      else {
        const other = claimed.get(event.position)
        if (other !== undefined && other !== ask) violations.push(`${about}: the event of another ask`)
        claimed.set(event.position, ask)
        done.push({ ask, event })
        const wire = Option.getOrUndefined(Option.map(fromStored(event), toWire))
        if (told !== undefined && !isDeepStrictEqual(told, wire))
          violations.push(`${about}: answered ${JSON.stringify(told)}, the log has ${JSON.stringify(wire)}`)
        if (usedCount !== undefined && usedCount !== event.data["usedCount"])
          violations.push(`${about}: use ${usedCount}, in the log ${event.data["usedCount"]}`)
        if (own.length > 0 && own[0] !== event) violations.push(`${about}: answered another event than its own`)
      }
    }
  }
  return [...violations, ...inRealTime(clients, done)]
}

/** What was answered before something else was asked is before it in the log, and in what is read. */
const inRealTime = (
  { asks, revoked, openedWith }: Clients,
  done: ReadonlyArray<{ readonly ask: Ask; readonly event: StoredEvent }>
): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  const begun = ({ tries }: Ask) => Math.min(...tries.map(({ begun }) => begun))
  const firstAnswer = ({ tries }: Ask) => Math.min(...tries.filter(isSuccess).map(({ ended }) => ended))
  for (const [lockId, ofLock] of Map.groupBy(done, ({ ask }) => ask.lockId)) {
    const answered = [...new Map(ofLock.map((one) => [one.ask, one.event])).entries()]
      .map(([ask, { version }]) => ({ ask, version, at: firstAnswer(ask) }))
      .sort((one, other) => one.at - other.at)
    /** The newest version that had been answered by then. */
    const knownAt = (time: number) =>
      answered.reduce((known, { at, version }) => (at < time ? Math.max(known, version) : known), 0)
    for (const { ask, version } of answered) {
      const known = knownAt(begun(ask))
      if (version <= known)
        violations.push(
          `${ask.op} of lock ${lockId} is version ${version}; ${known} had been answered before it was asked`
        )
    }
    for (const ask of asks) {
      if (ask.lockId !== lockId || ask.op !== "details") continue
      for (const one of ask.tries.filter(isSuccess)) {
        const known = knownAt(one.begun)
        if ((one.answer.body.version ?? 0) < known)
          violations.push(`lock ${lockId} was read at ${one.answer.body.version}; ${known} had been answered before`)
      }
    }
  }
  const opened = new Set(done.map(({ ask }) => ask))
  for (const ask of asks) {
    const ended = revoked.get(openedWith.get(ask.mark ?? "") ?? "")
    if (ended !== undefined && opened.has(ask) && begun(ask) > ended)
      violations.push(`${ask.op} of lock ${ask.lockId} (${ask.mark}) was asked after its key had ended, and opened`)
  }
  return violations
}

/**
 * No temp key was used more often than it was ever allowed: neither by the log nor by the answers. A use that was given
 * back, since its door never moved, is none.
 */
const usesOf = ({ clients, feed }: Log): ReadonlyArray<Violation> => {
  const returned = new Set(feed.flatMap(({ type, data }) => (type === "TempKeyUseReturned" ? data["commandId"] : [])))
  const uses = Map.groupBy(
    feed.filter(({ type, commandId }) => type === "TempKeyUsed" && !returned.has(commandId)),
    ({ data }) => String(data["tempKeyUuid"])
  )
  return [...uses].flatMap(([uuid, events]) =>
    events.length > (clients.maxUses.get(uuid) ?? 0) ? [`temp key ${uuid} was used ${events.length} times`] : []
  )
}

const WRITING = ["KeyAdded", "KeyAdditionSent", "KeyWriteRequested"]
/** Events that come with a command for the device. */
export const DEVICE_EVENTS: ReadonlyArray<string> = [...WRITING, "KeyRemovalSent", "LockOpenRequested"]
/** After a while they are of no use, and nobody runs them. */
export const ENDING: ReadonlyArray<string> = ["KeyWriteRequested", "LockOpenRequested"]

/**
 * Commands that were to write a key which was removed meanwhile: nobody waits for their outcome, and the device need not
 * have seen them.
 */
export const overtakenIn = (stream: ReadonlyArray<StoredEvent>): ReadonlySet<string> =>
  new Set(
    stream
      .filter(({ type, version, data }) => {
        const isItsRemoval = (other: StoredEvent) =>
          other.type === "KeyRemoved" && other.version > version && other.data["keyUuid"] === data["keyUuid"]
        return WRITING.includes(type) && stream.some(isItsRemoval)
      })
      .map(({ commandId }) => commandId)
  )

/** What a device did is what the log says: once, in order, and its outcome with it. */
const devicesOf = ({ clients, devices, inShadow }: Books, streams: Streams): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  for (const { lockId, uuid } of clients.locks) {
    const stream = streams.get(streamOfLock(lockId)) ?? []
    const logged = stream.filter(({ type }) => DEVICE_EVENTS.includes(type))
    const ids = logged.map(({ commandId }) => commandId)
    const ran = devices.ran(uuid)
    const say = (what: string, commandIds: ReadonlyArray<string>) => {
      if (commandIds.length > 0) violations.push(`lock ${lockId}: ${what}: ${commandIds.join(" ")}`)
    }
    say(
      "carried out twice",
      ran.filter((id, index) => ran.indexOf(id) !== index)
    )
    say(
      "carried out, and not in the log",
      ran.filter((id) => !ids.includes(id))
    )
    say(
      "in the shadow, and not in the log",
      [...devices.heard(uuid), ...(inShadow.get(uuid) ?? [])].filter((id) => !ids.includes(id))
    )
    if (
      !isDeepStrictEqual(
        ran,
        ids.filter((id) => ran.includes(id))
      )
    )
      say("not in the order of the log", ran)
    const overtaken = overtakenIn(stream)
    const missing = logged.filter(({ commandId }) => !ran.includes(commandId) && !overtaken.has(commandId))
    say(
      "never carried out",
      missing.filter(({ type }) => !ENDING.includes(type)).map(({ commandId }) => commandId)
    )
    say(
      "carried out, and left in the shadow",
      (inShadow.get(uuid) ?? []).filter((id) => ran.includes(id))
    )
    const told = Map.groupBy(
      stream.filter(({ type }) => type === "CommandOutcomeReported"),
      ({ data }) => String(data["commandId"])
    )
    say(
      "with two outcomes",
      [...told].filter(([, events]) => events.length > 1).map(([id]) => id)
    )
    const outcomes = devices.outcomes(uuid)
    say(
      "without the outcome in the log",
      [...outcomes]
        .filter(
          ([id, outcome]) => (told.get(id)?.[0]?.data["outcome"] ?? (overtaken.has(id) ? outcome : "")) !== outcome
        )
        .map(([id, outcome]) => `${id} ${outcome}`)
    )
    say(
      "with an outcome that no device told",
      [...told.keys()].filter((id) => !outcomes.has(id))
    )
    const { lock } = rejudge(lockId, stream, () => undefined)
    const keys = new Map(lock?.keys.map((key) => [key.uuid, key.indexNumber]))
    if (!isDeepStrictEqual(keys, new Map(devices.keys(uuid))))
      violations.push(
        `lock ${lockId}: its keys are ${JSON.stringify([...devices.keys(uuid)])}, by the log ${JSON.stringify([...keys])}`
      )
  }
  return violations
}

/** What a request for many keys says of each is what the log of the lock holds. */
const bulksIn = ({ clients }: Log, streams: Streams): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  for (const { instanceId } of clients.bulks)
    if (!streams.has(`bulk-${instanceId}`)) violations.push(`bulk ${instanceId}: answered, and not in the log`)
  for (const [streamId, [request, ...outcomes]] of streams) {
    if (!streamId.startsWith("bulk-") || request === undefined) continue
    const keys = Array.isArray(request.data["keys"]) ? request.data["keys"] : []
    if (outcomes.length !== keys.length)
      violations.push(`${streamId}: ${keys.length} keys, ${outcomes.length} outcomes`)
    const ofLock = streams.get(streamOfLock(Number(request.data["lockId"]))) ?? []
    for (const [index, { type, data }] of outcomes.entries()) {
      const added = ofLock.find(({ commandId }) => commandId === `${request.commandId}-${index}`)
      const said = type === "BulkKeyAdded" ? data["lockVersion"] : undefined
      if (data["index"] !== index || said !== added?.version)
        violations.push(`${streamId}: key ${index} ${JSON.stringify(data)}, in the log of its lock ${added?.version}`)
    }
  }
  return violations
}
