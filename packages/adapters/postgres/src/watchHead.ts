/**
 * Wakes those who follow the feed: after a commit of this process by itself, after one of another by `LISTEN`. That connection is
 * made when somebody follows, and again whenever it is lost; until then others' commits are seen when core looks by itself.
 */
import type { StoreUnavailable } from "@latchkey/core"
import { type Cause, Effect, Exit, Queue, type Scope, Stream } from "effect"
import type { Client } from "pg"
import type { Database } from "./Database.ts"

/** Milliseconds until a lost connection is tried again: at first, and at most. */
const [SOON, LATER] = [100, 5_000]

interface HeadWatch {
  /** Tells followers of a head; one that they have seen is no news. */
  readonly moved: (head: number) => void
  readonly changes: Stream.Stream<number, StoreUnavailable>
}

interface Follower {
  seen: number
  readonly queue: Queue.Queue<number, StoreUnavailable | Cause.Done>
}

export const watchHead: (
  database: Database,
  head: Effect.Effect<number, StoreUnavailable>
) => Effect.Effect<HeadWatch, never, Scope.Scope> = Effect.fnUntraced(function* (database, head) {
  const followers = new Set<Follower>()
  const moved = (position: number) => {
    for (const follower of followers) {
      if (position <= follower.seen) continue
      follower.seen = position
      Queue.offerUnsafe(follower.queue, position)
    }
  }
  const listener = yield* listen(database, moved, head)
  return {
    moved,
    changes: Stream.callback(
      (queue) =>
        Effect.gen(function* () {
          const follower = yield* Effect.acquireRelease(
            Effect.sync(() => {
              const follower = { seen: -1, queue }
              followers.add(follower)
              listener.start()
              return follower
            }),
            (follower) => Effect.sync(() => followers.delete(follower))
          )
          // It listens already: nothing comes between this head and the next.
          const position = yield* head
          if (position > follower.seen) {
            follower.seen = position
            Queue.offerUnsafe(queue, position)
          }
        }),
      { bufferSize: 1, strategy: "sliding" }
    )
  }
})

/** Hears of commits, from when it is started until the scope ends. */
const listen = Effect.fnUntraced(function* (
  database: Database,
  moved: (head: number) => void,
  head: Effect.Effect<number, StoreUnavailable>
): Effect.fn.Return<{ readonly start: () => void }, never, Scope.Scope> {
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  let pause = SOON
  let isClosed = false

  const connect = () => {
    if (isClosed) return
    const mine = database.client()
    client = mine
    mine.on("notification", ({ payload }) => moved(Number(payload)))
    let isLost = false
    const lost = () => {
      if (isLost) return
      isLost = true
      void mine.end().catch(() => undefined)
      if (isClosed) return
      timer = setTimeout(connect, pause)
      pause = Math.min(2 * pause, LATER)
    }
    mine.on("error", lost)
    mine.on("end", lost)
    mine
      .connect()
      .then(() => mine.query(`LISTEN ${database.schema}`))
      .then(async () => {
        pause = SOON
        // What was written while nobody listened.
        const exit = await Effect.runPromiseExit(head)
        if (Exit.isSuccess(exit)) moved(exit.value)
      })
      .catch(lost)
  }

  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      isClosed = true
      clearTimeout(timer)
      await client?.end().catch(() => undefined)
    })
  )
  return {
    start: () => {
      if (client === undefined) connect()
    }
  }
})
