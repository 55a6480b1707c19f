/** Wakes those who follow the feed: at once after a commit of this process, soon after one of another. */
import type { StoreUnavailable } from "@latchkey/core"
import { Cause, Effect, Queue, Stream } from "effect"

/** Milliseconds between looks for commits of other processes, while anybody follows. */
const LOOK_EVERY = 50

interface Source {
  /** Position of the newest event. Throws when the database does not answer. */
  readonly head: () => number
  /** Differs after every commit. Throws when the database does not answer. */
  readonly dataVersion: () => unknown
  readonly unavailable: (cause: unknown) => StoreUnavailable
}

export interface HeadWatch {
  /** Tells followers of a head; one they have seen already is no news. */
  readonly moved: (head: number) => void
  readonly changes: Stream.Stream<number, StoreUnavailable>
}

interface Follower {
  seen: number
  readonly queue: Queue.Queue<number, StoreUnavailable | Cause.Done>
}

export const watchHead = ({ head, dataVersion, unavailable }: Source): HeadWatch => {
  const followers = new Set<Follower>()
  let timer: NodeJS.Timeout | undefined
  let lookedAt: unknown

  const moved = (position: number) => {
    for (const follower of followers) {
      if (position <= follower.seen) continue
      follower.seen = position
      Queue.offerUnsafe(follower.queue, position)
    }
  }

  const look = () => {
    try {
      const version = dataVersion()
      if (version === lookedAt) return
      lookedAt = version
      moved(head())
    } catch (cause) {
      const failure = Cause.fail(unavailable(cause))
      for (const { queue } of followers) Queue.failCauseUnsafe(queue, failure)
    }
  }

  const follow = (follower: Follower) => {
    followers.add(follower)
    timer ??= setInterval(look, LOOK_EVERY).unref()
    lookedAt = undefined
    look()
  }

  const leave = (follower: Follower) => {
    followers.delete(follower)
    if (followers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    moved,
    // A follower who is slow skips to the newest head.
    changes: Stream.callback(
      (queue) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const follower = { seen: -1, queue }
            follow(follower)
            return follower
          }),
          (follower) => Effect.sync(() => leave(follower))
        ),
      { bufferSize: 1, strategy: "sliding" }
    )
  }
}
