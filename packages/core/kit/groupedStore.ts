/**
 * A store built as an adapter of a database is: each opener has a connection, writes that wait are committed as a group,
 * answers take their way, and connections get lost. The database is the store in memory. It is right, unless it is told
 * to have a flaw.
 */

import { type Batch, EventExists, EventStore, StoreUnavailable, type WriteError, type Written } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import type { StorePlace } from "@latchkey/core/testing"
import { Cause, Effect, Exit, Layer, Queue, Stream } from "effect"

type Store = EventStore["Service"]

/** What may be wrong with it. */
export const FLAWS = [
  "a bad write fails its whole group",
  "a bad write undoes its whole group, whose others are told it was written",
  "a bad write ends its group: what comes behind it is told it was written",
  "a group is answered with its first answer",
  "a group is answered in reverse",
  "a group's writes are all told the last position",
  "a write whose answer is lost is sent again",
  "a write whose answer is lost is sent again later",
  "a lost write is reported as written",
  "a lost answer is reported as a conflict",
  "half of a lost write stays",
  "a write is answered before it is committed",
  "a group is committed only in part when the connection ends",
  "waiting writes are forgotten when the connection ends",
  "nothing works after the connection ended",
  "no connection is ended",
  "the hint of changes is silent after the connection ended",
  "expectations are checked when the write begins to wait",
  "versions are checked when the write begins to wait",
  "event ids are checked when the write begins to wait",
  "an event id is known only to the opener that wrote it",
  "records are kept by the opener that read them",
  "a record that was not there is kept as such",
  "the head is that of the opener's own writes",
  "a stream is kept by the opener that read it",
  "events are seen a moment after their write is answered",
  "the hint comes for the opener's own writes alone",
  "the hint wakes one subscriber",
  "the hint comes before the write",
  "an opener that goes closes the store for all",
  "records are committed apart from events",
  "each append is committed for itself",
  "an interrupted write is taken out in part",
  "positions are given before they are committed",
  "what was written last is lost when all have closed it",
  "records are lost when all have closed it",
  "event ids are forgotten when all have closed it",
  "records are kept forever once it is opened again"
] as const
export type Flaw = (typeof FLAWS)[number]

interface Waiting {
  readonly batch: Batch
  /** What was decided when it began to wait, where a flaw decides then. */
  readonly early: Exit.Exit<Written, WriteError> | undefined
  readonly answer: (exit: Exit.Exit<Written, WriteError>) => void
}

const lost = new StoreUnavailable({ message: "The connection was lost." })

const turn = Effect.callback<void>((resume) => {
  const timer = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(timer))
})

/** A place with a store of its own. */
export const groupedStore = (flaw?: Flaw): StorePlace => {
  let database = MemoryEventStore.make()
  let fault: "before" | "after" | undefined
  const connections = new Set<{ readonly drop: () => void }>()
  let isClosed = false
  /** Positions that nobody sees yet. */
  const hidden = new Set<number>()
  const run = (batch: Batch) => Effect.runSyncExit(database.write(batch))
  const has = (one: Flaw) => flaw === one

  /** What the database would answer, without being changed: judged as of now. */
  const judge = ({ expect, append, imported }: Batch) => {
    if (has("expectations are checked when the write begins to wait")) return expect && run({ expect })
    if (has("versions are checked when the write begins to wait")) {
      return append && run({ append: append.map((one) => ({ ...one, events: [] })).slice(0, 1) })
    }
    if (!has("event ids are checked when the write begins to wait") || imported) return undefined
    const double = (append ?? [])
      .flatMap(({ events }) => events)
      .find(({ eventId }) => Effect.runSync(database.event(eventId))._tag === "Some")
    return double && Exit.fail(new EventExists({ eventId: double.eventId }))
  }

  const commit = (batch: Batch): Exit.Exit<Written, WriteError> => {
    if (has("expectations are checked when the write begins to wait")) return run({ ...batch, expect: [] })
    if (has("versions are checked when the write begins to wait")) {
      const append = (batch.append ?? []).map((one) => ({
        ...one,
        expectedVersion: Effect.runSync(database.read(one.streamId, 0, 100_000)).length
      }))
      return new Set(append.map(({ streamId }) => streamId)).size === append.length
        ? run({ ...batch, append })
        : run(batch)
    }
    if (has("event ids are checked when the write begins to wait")) return run({ ...batch, imported: true })
    if (has("each append is committed for itself") && (batch.append?.length ?? 0) > 1) {
      const [first, ...rest] = batch.append ?? []
      const one = run({ ...batch, append: first === undefined ? [] : [first] })
      return Exit.isFailure(one) ? one : run({ append: rest, imported: batch.imported ?? false })
    }
    return run(batch)
  }

  const open = Effect.gen(function* () {
    let queue: Array<Waiting> = []
    let inFlight: ReadonlyArray<Waiting> = []
    let isScheduled = false
    let isDead = false
    const dropped = new Set<() => void>()
    const ids = new Set<string>()
    const seen = new Map<string, unknown>()
    let ownHead = yield* database.head
    let wakers: Array<() => void> = []

    const flush = () => {
      isScheduled = false
      const group = queue
      queue = []
      inFlight = group
      if (fault === "before") {
        fault = undefined
        if (has("half of a lost write stays")) for (const { batch } of group) run({ put: batch.put ?? [] })
        if (has("a lost write is reported as written")) {
          return reply(
            group,
            group.map(() => Exit.succeed({ position: Effect.runSync(database.head) }))
          )
        }
        return reply(
          group,
          group.map(() => Exit.fail(lost))
        )
      }
      let exits = carryOut(group)
      if (fault === "after") {
        fault = undefined
        if (has("a write whose answer is lost is sent again")) exits = carryOut(group)
        else if (has("a lost answer is reported as a conflict"))
          exits = carryOut(group).map((exit) => (Exit.isFailure(exit) ? exit : Exit.fail(lost)))
        else {
          if (has("a write whose answer is lost is sent again later")) setTimeout(() => carryOut(group), 20)
          exits = group.map(() => Exit.fail(lost))
        }
      }
      reply(group, exits)
    }

    const carryOut = (group: ReadonlyArray<Waiting>): ReadonlyArray<Exit.Exit<Written, WriteError>> => {
      const exits: Array<Exit.Exit<Written, WriteError>> = []
      if (has("a bad write undoes its whole group, whose others are told it was written")) {
        const judged = group.map(({ batch: { expect = [], append = [] } }) =>
          run({ expect, append: append.slice(0, 1).map((one) => ({ ...one, events: [] })) })
        )
        if (judged.some(Exit.isFailure)) return judged
      }
      for (const { batch, early } of group) {
        const before = Effect.runSync(database.head)
        if (has("the hint comes before the write")) {
          for (const wake of wakers) wake()
        }
        const refused = exits.find(Exit.isFailure)
        if (has("a bad write fails its whole group") && refused !== undefined) exits.push(refused)
        else if (
          has("a bad write ends its group: what comes behind it is told it was written") &&
          refused !== undefined
        ) {
          exits.push(Exit.succeed({ position: before }))
        } else exits.push(early !== undefined && Exit.isFailure(early) ? early : commit(batch))
        const after = Effect.runSync(database.head)
        for (let position = before + 1; position <= after; position++) {
          if (has("events are seen a moment after their write is answered")) {
            hidden.add(position)
            setTimeout(() => hidden.delete(position), 2)
          }
          // It then is its answer that makes it seen: others, with later positions, may be faster.
          if (has("positions are given before they are committed")) hidden.add(position)
        }
      }
      return exits
    }

    const reply = (group: ReadonlyArray<Waiting>, exits: ReadonlyArray<Exit.Exit<Written, WriteError>>) => {
      let answers = exits
      const [first] = exits
      if (has("a group is answered with its first answer") && first !== undefined) answers = exits.map(() => first)
      if (has("a group is answered in reverse")) answers = exits.toReversed()
      if (has("a group's writes are all told the last position")) {
        const head = Effect.runSync(database.head)
        answers = exits.map((exit) => (Exit.isSuccess(exit) ? Exit.succeed({ position: head }) : exit))
      }
      ownHead = Effect.runSync(database.head)
      const answerAll = () => {
        inFlight = []
        for (const [index, { batch, answer }] of group.entries()) {
          const exit = answers[index] ?? Exit.fail(lost)
          const size = (batch.append ?? []).flatMap(({ events }) => events).length
          if (Exit.isSuccess(exit))
            for (let n = 0; n < size; n++)
              if (!has("events are seen a moment after their write is answered")) hidden.delete(exit.value.position - n)
          answer(exit)
        }
        for (const wake of wakers) wake()
      }
      if (has("positions are given before they are committed") && ownHead % 2 === 1) setTimeout(answerAll, 3)
      else setImmediate(answerAll)
    }

    const connection = {
      drop: () => {
        if (has("nothing works after the connection ended")) isDead = true
        const gone = [...queue, ...inFlight]
        if (has("a group is committed only in part when the connection ends")) {
          for (const { batch } of queue)
            run({ append: (batch.append ?? []).map((one) => ({ ...one, events: one.events.slice(0, 1) })) })
        }
        queue = []
        inFlight = []
        if (!has("waiting writes are forgotten when the connection ends"))
          for (const { answer } of gone) answer(Exit.fail(lost))
        for (const end of dropped) end()
        dropped.clear()
      }
    }
    connections.add(connection)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (isScheduled) flush()
        connections.delete(connection)
        if (has("an opener that goes closes the store for all")) isClosed = true
      })
    )

    const write = (batch: Batch): Effect.Effect<Written, WriteError> =>
      Effect.callback<Written, WriteError>((resume) => {
        if (isDead) return void resume(Effect.fail(lost))
        const double = (batch.append ?? []).flatMap(({ events }) => events).find(({ eventId }) => ids.has(eventId))
        let sent = batch
        if (has("an event id is known only to the opener that wrote it") && double === undefined)
          sent = { ...batch, imported: true }
        for (const { events } of batch.append ?? []) for (const { eventId } of events) ids.add(eventId)
        if (has("records are committed apart from events") && batch.append?.length && batch.put?.length) {
          const { append: _, ...records } = batch
          const { put: __, remove: ___, ...events } = batch
          sent = events
          setImmediate(() => setImmediate(() => run({ put: records.put ?? [], remove: records.remove ?? [] })))
        }
        const early = judge(sent)
        const waiting: Waiting = { batch: sent, early, answer: (exit) => resume(exit) }
        queue.push(waiting)
        if (has("a write is answered before it is committed")) {
          resume(
            Effect.map(database.head, (head) => ({
              position: head + (batch.append ?? []).flatMap(({ events }) => events).length
            }))
          )
        }
        if (!isScheduled) {
          isScheduled = true
          setImmediate(flush)
        }
        return Effect.sync(() => {
          const index = queue.indexOf(waiting)
          if (has("an interrupted write is taken out in part") && index >= 0) {
            queue[index] = { ...waiting, batch: { put: batch.put ?? [] } }
          }
        })
      })

    const read = <A>(asked: (database: Store) => Effect.Effect<A, StoreUnavailable>) =>
      Effect.suspend(() => {
        if (isClosed || isDead) return Effect.fail(lost)
        return Effect.andThen(
          turn,
          Effect.suspend(() => asked(database))
        )
      })

    /** What a flaw keeps instead of asking again. */
    const kept = <A>(
      one: Flaw,
      key: string,
      isWorthIt: (answer: A) => boolean,
      asked: Effect.Effect<A, StoreUnavailable>
    ) =>
      Effect.suspend(() => {
        if (has(one) && seen.has(key)) return Effect.succeed(seen.get(key) as A)
        return Effect.tap(asked, (answer) => Effect.sync(() => isWorthIt(answer) && seen.set(key, answer)))
      })

    const visible = <A extends { readonly position: number }>(events: ReadonlyArray<A>) =>
      hidden.size === 0 ? events : events.filter(({ position }) => !hidden.has(position))

    /** As a poller tells them: the head at once, and again whenever it has moved, to each subscriber. */
    const changes = Stream.callback<number, StoreUnavailable>((out) =>
      Effect.gen(function* () {
        let told = -1
        const tell = (head: number) => {
          if (head <= told) return
          told = head
          Queue.offerUnsafe(out, head)
        }
        const own = has("the hint comes for the opener's own writes alone")
        const look = () => tell(Effect.runSync(database.head) + (has("the hint comes before the write") ? 2 : 0))
        if (has("the hint comes before the write")) {
          tell(Effect.runSync(database.head))
          wakers = [...wakers, look]
        } else if (has("the hint wakes one subscriber")) {
          look()
          wakers = [look]
        } else if (own) {
          look()
          wakers = [...wakers, look]
        } else {
          let timer: NodeJS.Immediate | NodeJS.Timeout = setImmediate(function poll() {
            look()
            timer = setTimeout(poll, 1)
          })
          const end = () => {
            clearTimeout(timer as NodeJS.Timeout)
            clearImmediate(timer as NodeJS.Immediate)
          }
          dropped.add(() => {
            end()
            if (!has("the hint of changes is silent after the connection ended"))
              Queue.failCauseUnsafe(out, Cause.fail(lost))
          })
          yield* Effect.addFinalizer(() => Effect.sync(end))
        }
        return yield* Effect.never
      })
    )

    return EventStore.of({
      write,
      read: (streamId, after, limit) =>
        Effect.map(
          kept(
            "a stream is kept by the opener that read it",
            `${streamId} ${after} ${limit}`,
            (events) => events.length > 0,
            read((store) => store.read(streamId, after, limit))
          ),
          visible
        ),
      feed: (after, limit, filter) =>
        Effect.map(
          read((store) => store.feed(after, limit, filter)),
          visible
        ),
      head: has("the head is that of the opener's own writes")
        ? Effect.sync(() => ownHead)
        : read((store) => store.head),
      event: (id) => read((store) => store.event(id)),
      record: (key) =>
        kept(
          "records are kept by the opener that read them",
          key,
          ({ _tag }) => _tag === "Some",
          kept(
            "a record that was not there is kept as such",
            `no ${key}`,
            ({ _tag }) => _tag === "None",
            read((store) => store.record(key))
          )
        ),
      records: (prefix, after, limit) => read((store) => store.records(prefix, after, limit)),
      changes
    })
  })

  /** What is left of the database after all have closed it. */
  const restore = Effect.gen(function* () {
    const old = database
    const events = yield* old.feed(0, 100_000)
    const records = yield* old.records("", "", 100_000)
    const left = has("what was written last is lost when all have closed it") ? events.slice(0, -1) : events
    const fresh = MemoryEventStore.make()
    for (const { streamId, version, position: _, ...event } of left) {
      const forgotten = has("event ids are forgotten when all have closed it") ? { eventId: `${event.eventId}'` } : {}
      yield* fresh.write({
        append: [{ streamId, expectedVersion: version - 1, events: [{ ...event, ...forgotten }] }],
        imported: true
      })
    }
    const kept = has("records are lost when all have closed it") ? [] : records
    for (const put of kept) yield* fresh.write({ put: [put] })
    if (has("records are kept forever once it is opened again")) {
      yield* fresh.write({ put: [{ key: `${records[0]?.key.replace(/k$/, "gone")}`, value: "1" }] })
    }
    database = fresh
  })
  const isBroken = flaw?.endsWith("when all have closed it") || flaw?.endsWith("opened again")
  const layer = Layer.effect(EventStore, open)

  return {
    open: layer,
    reopen: isBroken ? Layer.effect(EventStore, Effect.andThen(restore, open)) : layer,
    faults: {
      dropConnections: Effect.sync(() => {
        if (has("no connection is ended")) return 0
        for (const connection of connections) connection.drop()
        return connections.size
      }),
      failNextWrite: (when) => Effect.sync(() => void (fault = when))
    }
  }
}
