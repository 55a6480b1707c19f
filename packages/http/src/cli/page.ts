/** `--limit` and `--after`: a list, a page at a time. */
import { Console, Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import { asJson, print } from "./output.ts"
import { table } from "./table.ts"

/** Most rows of a page. */
const MOST = 1_000
const UNLESS_GIVEN = 100

const Limit = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: MOST }, { expected: `a number from 1 to ${MOST}` })
)

/** The flags of every list. */
export const paging = {
  limit: Flag.Int("limit").pipe(
    Flag.withSchema(Limit),
    Flag.withDescription(`How many to list, at most ${MOST}`),
    Flag.withDefault(UNLESS_GIVEN)
  ),
  after: Flag.String("after").pipe(
    Flag.withDescription("Where the page before has ended, as it said itself"),
    Flag.optional
  )
}

/** Some of a list, and after what the rest begins; `undefined`: this was all. */
export interface Page<A> {
  readonly rows: ReadonlyArray<A>
  readonly next: string | undefined
}

/** No list ends there; `message` says what to do. */
export class NoSuchPage extends Schema.TaggedError<NoSuchPage>()("NoSuchPage", { after: Schema.String }) {
  override get message() {
    return `--after: nothing in this list is called "${this.after}". Take what the page before has said, or leave it out to begin.`
  }
}

/** A page of what is in memory. */
export const pageOf = <A>(
  all: ReadonlyArray<A>,
  idOf: (one: A) => string,
  limit: number,
  after: string | undefined
): Effect.Effect<Page<A>, NoSuchPage> => {
  const begin = after === undefined ? 0 : all.findIndex((one) => idOf(one) === after) + 1
  if (after !== undefined && begin === 0) return Effect.fail(new NoSuchPage({ after }))
  const rows = all.slice(begin, begin + limit)
  const last = rows.at(-1)
  return Effect.succeed({ rows, next: last !== undefined && begin + limit < all.length ? idOf(last) : undefined })
}

/** A table, and on stderr where it goes on; or one document under the name of what is listed. */
export const printPage = Effect.fnUntraced(function* <A>(
  { rows, next }: Page<A>,
  of: {
    readonly name: string
    readonly headings: ReadonlyArray<string>
    readonly row: (one: A) => ReadonlyArray<string>
    readonly info: (one: A) => unknown
  }
) {
  yield* print({ [of.name]: rows.map(of.info), nextCursor: next ?? null }, table(of.headings, rows.map(of.row)))
  if (next !== undefined && !(yield* asJson)) yield* Console.error(`There are more: --after ${next}`)
})
