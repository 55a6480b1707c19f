/** What each case of the read model suite works with: a read model that is empty, and changes that follow each other. */
import { Effect, type Scope } from "effect"
import { type Changes, type Cursor, type Listing, nowhere, ReadModel } from "../../read-model/ReadModel.ts"
import { opened, type PortCase, type PortPlace } from "../portCase.ts"

type Model = ReadModel["Service"]

export interface Fixture {
  /** Empty at first. */
  readonly model: Model
  /** One more opener of the same store. */
  readonly another: Effect.Effect<Model, unknown, Scope.Scope>
  readonly place: PortPlace<ReadModel>
  readonly seed: number
}

export const casesOf =
  (part: string) =>
  (
    sentence: string,
    body: (fixture: Fixture) => Generator<Effect.Effect<unknown, unknown, Scope.Scope>, unknown, never>
  ): PortCase<ReadModel> => ({
    name: `${part} ${sentence}`,
    run: Effect.fnUntraced(function* (place: PortPlace<ReadModel>, seed: number) {
      const another = opened(ReadModel, place.open)
      const model = yield* another
      yield* model.reset
      yield* Effect.gen(() => body({ model, another, place, seed }))
    })
  })

/** Where a read model stands that has seen so many events. */
export const at = (position: number): Cursor =>
  position === 0 ? nowhere : { format: 1, position, eventId: `event-${position}` }

/** From one place of the feed to another. */
export const changes = (from: number, to: number, change: Partial<Changes> = {}): Changes => ({
  after: at(from),
  cursor: at(to),
  put: [],
  remove: [],
  list: [],
  unlist: [],
  ...change
})

/** A key such as those of rows that are listed. */
export const keyOf = (n: number): string => String(n).padStart(16, "0")

export const row = (n: number, value = `row ${n}`, table = "birds") => ({ table, key: keyOf(n), value })

export const listing = (n: number, value: string, index = "colour", table = "birds"): Listing => ({
  table,
  key: keyOf(n),
  index,
  value
})

/** 1, 2, 3, … */
export const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index + 1)

/** Of birds, as numbers. */
export const numbersOf = (rows: ReadonlyArray<{ readonly key: string }>): ReadonlyArray<number> =>
  rows.map(({ key }) => Number(key))

export const sorted = <R extends { readonly key: string }>(rows: ReadonlyArray<R>): ReadonlyArray<R> =>
  rows.toSorted((a, b) => (a.key < b.key ? -1 : 1))
