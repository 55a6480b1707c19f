/**
 * What a process knows of a part of the feed that is being delivered, beside its record: events that need not be read again,
 * and which stream is due first. All of it may be forgotten at any time.
 */
import { HashMap, Option } from "effect"
import type { StoredEvent } from "../streams/EventStore.ts"
import { type Held, type Lane, MOST_HELD, WINDOW } from "./Delivery.ts"
import type { Told } from "./Told.ts"

/** Events of a stream that are kept, at most. */
const KEPT = 20
/** Events behind the cursor that are kept, at most. */
const AHEAD = 200

/** A stream that waits for its turn. */
interface Turn {
  readonly streamId: string
  readonly held: Held
}

interface Kept {
  /** The next ones, in order. */
  readonly queue: Array<Told>
  /** Whether there are more, that have to be read. */
  mayHaveMore: boolean
}

/** Events by stream. */
export class LaneMemory {
  readonly #kept = new Map<string, Kept>()
  /** Streams of which something is being sent for the first time. */
  readonly #fresh = new Set<string>()
  /** Streams of which an event is under way: being read, sent, or written down. */
  readonly #busy = new Set<string>()
  /** All others that are held, by when they are due. One that is held otherwise by now is passed over. */
  #turns: Array<Turn> = []
  /** What they were made of: somebody else may have changed all of them. */
  #held: Lane["held"] | undefined
  /** Whether the feed may hold something behind what was read of it. */
  mayHaveMore = true
  /** What is behind the cursor, and not taken on. */
  ahead: Array<StoredEvent> = []
  #isReading = false

  /** The feed is being read on: what comes meanwhile may be part of that, or not. */
  beginReading(): void {
    this.mayHaveMore = false
    this.#isReading = true
  }

  endReading(events: ReadonlyArray<StoredEvent>, mayHaveMore: boolean): void {
    this.#isReading = false
    this.ahead = [...events]
    this.mayHaveMore ||= mayHaveMore
  }

  /** Something comes: where all before it is known, it need not be read. */
  come(stored: StoredEvent): void {
    if (this.mayHaveMore || this.#isReading || this.ahead.length >= AHEAD) this.mayHaveMore = true
    else this.ahead.push(stored)
  }

  /** Whether there is no room for another stream. */
  isFull({ held }: Lane): boolean {
    return this.#fresh.size >= WINDOW || HashMap.size(held) >= MOST_HELD
  }

  /** The position up to which everything is delivered, but for streams that wait behind a failure. */
  position({ cursor }: Lane): number {
    const next = this.ahead[0]?.position ?? (this.mayHaveMore ? cursor + 1 : Number.POSITIVE_INFINITY)
    const fresh = [...this.#fresh].map((streamId) => this.next(streamId)?.position ?? cursor + 1)
    return Math.min(next, ...fresh) - 1
  }

  /** Takes an event on, if there is room: behind what is held of its stream, or as the first of it. */
  take<L extends Lane>(lane: L, told: Told, now: number): L | undefined {
    const { streamId, version } = told
    const kept = this.#kept.get(streamId)
    if (HashMap.has(lane.held, streamId)) {
      if (kept !== undefined && !kept.mayHaveMore && kept.queue.length < KEPT) kept.queue.push(told)
      else if (kept !== undefined) kept.mayHaveMore = true
      return lane
    }
    if (this.isFull(lane)) return undefined
    this.#kept.set(streamId, { queue: [told], mayHaveMore: false })
    this.#fresh.add(streamId)
    return this.#set(lane, streamId, { version: version - 1, attempts: 0, due: now, since: now })
  }

  /** The next event of a stream, if it is known; `undefined`: read on. */
  next(streamId: string): Told | undefined {
    return this.#kept.get(streamId)?.queue[0]
  }

  /** Whether the stream has to be read to know what is next. */
  mustRead(streamId: string): boolean {
    return this.#kept.get(streamId)?.mayHaveMore ?? true
  }

  /** The stream is being read, as far as the lane has come: what is taken on meanwhile goes behind that. */
  beginStream(streamId: string): void {
    this.#kept.set(streamId, { queue: [], mayHaveMore: false })
  }

  /** What was read of the stream. */
  endStream(streamId: string, read: ReadonlyArray<Told>, mayHaveMore: boolean): void {
    const come = this.#kept.get(streamId)
    this.#kept.set(
      streamId,
      mayHaveMore || come === undefined
        ? { queue: [...read], mayHaveMore: true }
        : { queue: [...read, ...come.queue], mayHaveMore: come.mayHaveMore }
    )
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.#busy.size > 0
  }

  /** The stream that is due first, of those of which nothing is under way. */
  first({ held }: Lane): Turn | undefined {
    if (held !== this.#held) {
      this.#held = held
      this.#turns = HashMap.toEntries(held)
        .filter(([streamId]) => !this.#busy.has(streamId))
        .map(([streamId, held]) => ({ streamId, held }))
        .sort((a, b) => a.held.due - b.held.due)
    }
    for (let turn = this.#turns[0]; turn !== undefined; turn = this.#turns[0]) {
      if (!this.#busy.has(turn.streamId) && heldOf(held, turn.streamId) === turn.held) return turn
      this.#turns.shift()
    }
    return undefined
  }

  /** Something of the stream is under way from now on. */
  depart(streamId: string): void {
    this.#busy.add(streamId)
    if (this.#turns[0]?.streamId === streamId) this.#turns.shift()
  }

  /** Nothing of the stream is under way any more. */
  land(lane: Lane | undefined, streamId: string): void {
    this.#busy.delete(streamId)
    const held = lane && heldOf(lane.held, streamId)
    if (held !== undefined && lane?.held === this.#held) this.#wait({ streamId, held })
  }

  /** Up to this version, the stream holds nothing that is meant. */
  passOver<L extends Lane>(lane: L, streamId: string, version: number): L {
    const held = heldOf(lane.held, streamId)
    return held === undefined ? lane : this.#set(lane, streamId, { ...held, version })
  }

  /** The next event of the stream is done with: the lane, with what is left of the stream. */
  done<L extends Lane>(lane: L, told: Told, next: Omit<Held, "version">): L {
    const kept = this.#kept.get(told.streamId)
    kept?.queue.shift()
    return kept === undefined || kept.queue.length > 0 || kept.mayHaveMore
      ? this.#set(lane, told.streamId, { version: told.version, ...next })
      : this.free(lane, told.streamId)
  }

  /** The next event of the stream has failed, and waits: others take its place. */
  hold<L extends Lane>(lane: L, told: Told, next: Omit<Held, "version">): L {
    this.#fresh.delete(told.streamId)
    this.#kept.delete(told.streamId)
    return this.#set(lane, told.streamId, { version: told.version - 1, ...next })
  }

  /** Nothing is left of the stream. */
  free<L extends Lane>(lane: L, streamId: string): L {
    this.#fresh.delete(streamId)
    this.#kept.delete(streamId)
    return this.#become(lane, HashMap.remove(lane.held, streamId))
  }

  #set<L extends Lane>(lane: L, streamId: string, held: Held): L {
    const changed = this.#become(lane, HashMap.set(lane.held, streamId, held))
    if (!this.#busy.has(streamId)) this.#wait({ streamId, held })
    return changed
  }

  #become<L extends Lane>(lane: L, held: Lane["held"]): L {
    this.#held = lane.held === this.#held ? held : undefined
    return { ...lane, held }
  }

  /** Behind all that are due no later: mostly at the end. */
  #wait(turn: Turn): void {
    const before = this.#turns.findLastIndex(({ held }) => held.due <= turn.held.due)
    this.#turns.splice(before + 1, 0, turn)
  }
}

/** How a stream is held; `undefined`: not at all. */
export const heldOf = (held: Lane["held"], streamId: string): Held | undefined =>
  Option.getOrUndefined(HashMap.get(held, streamId))
