/** Read models: the one in memory, and broken ones. */
import { ReadModel, type ReadModelUnavailable } from "@latchkey/core"
import { MemoryReadModel } from "@latchkey/core/memory"
import { type PortPlace, readModelSuite } from "@latchkey/core/testing"
import { Context, Effect, Layer } from "effect"
import { copyIn } from "./memory.ts"

type Model = ReadModel["Service"]
type Changes = Parameters<Model["apply"]>[0]

/** One model, opened by all, of which each opener has its own view. */
const placeOf = (
  layer: Effect.Effect<Layer.Layer<ReadModel>>,
  change: (model: Model) => Partial<Model> = () => ({})
): Effect.Effect<PortPlace<ReadModel>> =>
  Effect.gen(function* () {
    const services = yield* Layer.build(Layer.fresh(yield* layer))
    const model = Context.get(services, ReadModel)
    const open = Layer.sync(ReadModel, () => ({ ...model, ...change(model) }))
    return { open, reopen: open }
  }).pipe(Effect.scoped)

const subject = (name: string, place: Effect.Effect<PortPlace<ReadModel>>, isRight = false) => ({
  port: "read model",
  name,
  isRight,
  suite: () => readModelSuite(name, place)
})

const memory = Effect.succeed(MemoryReadModel.layer)

const source = (name: string, find: string, replace: string) =>
  subject(name, placeOf(Effect.map(copyIn("MemoryReadModel", find, replace), ({ layer }) => layer)))

/** How the memory names where listings are. */
const PLACE = `\`\${table} \${index} \${value}\``

const view = (name: string, change: (model: Model) => Partial<Model>) => subject(name, placeOf(memory, change))

const none = { put: [], remove: [], list: [], unlist: [] }
const passing = (name: string, change: (changes: Changes) => Partial<Changes>) =>
  view(name, (model) => ({ apply: (changes) => model.apply({ ...changes, ...change(changes) }) }))

const then = <A, B>(
  one: Effect.Effect<A, ReadModelUnavailable>,
  other: (answer: A) => Effect.Effect<B, ReadModelUnavailable>
) => Effect.flatMap(one, (answer) => Effect.andThen(Effect.yieldNow, other(answer)))

export const readModels = [
  subject("memory", placeOf(memory), true),
  source("the cursor is not looked at", "if (!sameCursor(changes.after, cursor)) return false", ""),
  source(
    "of the cursor only the position is looked at",
    "if (!sameCursor(changes.after, cursor)) return false",
    "if (changes.after.position !== cursor.position) return false"
  ),
  source(
    "a cursor that stands further on is taken",
    "if (!sameCursor(changes.after, cursor)) return false",
    "if (changes.after.position > cursor.position) return false"
  ),
  source("what is refused is answered as applied", "return false", "return true"),
  source("what is applied is answered as refused", "return true", "return false"),
  source("the cursor does not move", "cursor = changes.cursor\n", ""),
  source(
    "the cursor moves though nothing is changed",
    "return false",
    "return void (cursor = changes.cursor) ?? false"
  ),
  source(
    "a row is put once",
    "rowsOf(table).set(key, value)",
    "rowsOf(table).has(key) || rowsOf(table).set(key, value)"
  ),
  source("rows are not removed", "rowsOf(table).delete(key)", "rowsOf(table).has(key)"),
  source("tables share their rows", "getOrMake(tables, table,", `getOrMake(tables, "",`),
  source("tables share their listings", PLACE, "[index, value].join()"),
  source("indexes share their listings", PLACE, "[table, value].join()"),
  source("index and value are one text", PLACE, "[table, index + value].join()"),
  source("table and index are one text", PLACE, "[table + index, value].join()"),
  view("table and key are one text", (model) => {
    const whole = <R extends { readonly table: string; readonly key: string }>(row: R): R => ({
      ...row,
      table: "all",
      key: row.table + row.key
    })
    const listing = (one: Changes["list"][number]) => ({ ...whole(one), index: `${one.table} ${one.index}` })
    const own = (table: string, rows: Effect.Success<ReturnType<Model["get"]>>) =>
      rows.map((row) => ({ ...row, key: row.key.slice(table.length) }))
    return {
      apply: (changes) =>
        model.apply({
          ...changes,
          put: changes.put.map(whole),
          remove: changes.remove.map(whole),
          list: changes.list.map(listing),
          unlist: changes.unlist.map(listing)
        }),
      get: (table, keys) =>
        Effect.map(
          model.get(
            "all",
            keys.map((key) => table + key)
          ),
          (rows) => own(table, rows)
        ),
      find: (table, index, value, after, limit) =>
        Effect.map(model.find("all", `${table} ${index}`, value, after === "" ? "" : table + after, limit), (rows) =>
          own(table, rows)
        )
    }
  }),
  source(
    "keys are compared as numbers",
    "(keys[middle] as string) > key)",
    "BigInt(keys[middle] as string) > BigInt(key))"
  ),
  view("keys that are listed are cut at 1,024 characters", (model) => ({
    find: (table, index, value, after, limit) => model.find(table, index, value, after.slice(0, 1_024), limit)
  })),
  source("a value is compared without case", PLACE, "[table, index, value.toLowerCase()].join()"),
  source("a value is trimmed", PLACE, "[table, index, value.trim()].join()"),
  source("a value is normalized", PLACE, '[table, index, value.normalize("NFC")].join()'),
  source("a value is cut at 255 characters", PLACE, "[table, index, value.slice(0, 255)].join()"),
  source("listings are never taken back", "changes.unlist.forEach(unlist)", ""),
  source("listings are never made", "changes.list.forEach(list)", ""),
  source(
    "a listing that is taken back takes all with it",
    "if (keys.length === 0) listed.delete(place)",
    "listed.delete(place)"
  ),
  source(
    "listings are found in the order in which they came",
    "keys.splice(firstAfter(keys, listing.key), 0, listing.key)",
    "keys.push(listing.key)"
  ),
  source("the row to go on after comes again", "> key) to = middle", ">= key) to = middle"),
  source("rows are found from the beginning", `after === "" ? 0 : firstAfter(keys, after)`, "0"),
  source("rows are found with one too many", "keys.slice(from, from + limit)", "keys.slice(from, from + limit + 1)"),
  source("rows are found without a limit", "keys.slice(from, from + limit)", "keys.slice(from)"),
  source(
    "a limit of 0 is no limit for rows",
    "keys.slice(from, from + limit)",
    "keys.slice(from, limit === 0 ? undefined : from + limit)"
  ),
  source(
    "only the first row is got",
    "keys.flatMap((key) => found(rowsOf(table), key)))",
    "keys.slice(0, 1).flatMap((key) => found(rowsOf(table), key)))"
  ),
  source(
    "a row that is not there is got as an empty one",
    "return value === undefined ? []",
    `return value === undefined ? [{ key, value: "" }]`
  ),
  source("an empty row is not there", "value === undefined ? []", "!value ? []"),
  source("a reset keeps the cursor", "cursor = nowhere\n      tables", "tables"),
  source("a reset keeps the rows", "tables.clear()", ""),
  source("a reset keeps the listings", "listed.clear()", ""),
  passing("removals are forgotten", () => ({ remove: [] })),
  passing("at most a thousand rows are put", ({ put }) => ({ put: put.slice(0, 1_000) })),
  passing("at most a thousand listings are made", ({ list }) => ({ list: list.slice(0, 1_000) })),
  passing("values are trimmed", ({ put }) => ({ put: put.map((row) => ({ ...row, value: row.value.trim() })) })),
  passing("values are kept as JSON", ({ put }) => ({
    put: put.map((row) => ({ ...row, value: row.value.replaceAll(/\s+/g, " ") }))
  })),
  passing("values are cut at 16 KiB", ({ put }) => ({
    put: put.map((row) => ({ ...row, value: row.value.slice(0, 16_384) }))
  })),
  passing("the cursor has no event", ({ cursor }) => ({ cursor: { ...cursor, eventId: "" } })),
  passing("the cursor has no format", ({ cursor }) => ({ cursor: { ...cursor, format: 1 } })),
  view("a row that is removed keeps its place", (model) => ({
    get: (table, keys) =>
      Effect.map(model.get(table, keys), (rows) =>
        keys.flatMap((key) => rows.find((row) => row.key === key) ?? (keys.length > 1 ? [] : [{ key, value: "" }]))
      )
  })),
  view("the cursor is kept apart from the rows", (model) => ({
    apply: (changes) =>
      then(model.apply({ ...changes, ...none }), (isApplied) =>
        isApplied ? model.apply({ ...changes, after: changes.cursor }) : Effect.succeed(false)
      )
  })),
  view("the rows are kept before the cursor", (model) => ({
    apply: (changes) =>
      then(model.cursor, (cursor) =>
        Effect.andThen(
          model.apply({ ...changes, after: cursor, cursor }),
          then(model.cursor, () => model.apply({ ...changes, ...none }))
        )
      )
  })),
  view("the cursor is looked at before the change, and not with it", (model) => ({
    apply: (changes) =>
      then(model.cursor, ({ position, format, eventId }) => {
        const { after } = changes
        if (after.position !== position || after.format !== format || after.eventId !== eventId)
          return Effect.succeed(false)
        return Effect.flatMap(model.cursor, (now) => model.apply({ ...changes, after: now }))
      })
  })),
  view("listings are kept after the rows", (model) => ({
    apply: (changes) =>
      Effect.tap(model.apply({ ...changes, list: [], unlist: [] }), (isApplied) =>
        Effect.andThen(
          Effect.yieldNow,
          isApplied
            ? Effect.flatMap(model.cursor, (now) => model.apply({ ...changes, after: now, cursor: now }))
            : Effect.void
        )
      )
  })),
  view("rows are kept by the opener that got them", (model) => {
    const kept = new Map<string, Effect.Success<ReturnType<Model["get"]>>>()
    return {
      get: (table, keys) => {
        const key = JSON.stringify([table, keys])
        const known = kept.get(key)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(model.get(table, keys), (rows) => Effect.sync(() => rows.length > 0 && kept.set(key, rows)))
      }
    }
  }),
  view("the cursor is kept by the opener that read it", (model) => {
    let known: Effect.Success<Model["cursor"]> | undefined
    return {
      cursor: Effect.suspend(() => {
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(model.cursor, (cursor) => Effect.sync(() => (known = cursor)))
      }),
      apply: (changes) =>
        Effect.tap(model.apply(changes), (isApplied) => Effect.sync(() => isApplied && (known = changes.cursor))),
      reset: Effect.tap(model.reset, () => Effect.sync(() => (known = undefined)))
    }
  }),
  view("rows that were found are kept", (model) => {
    const kept = new Map<string, Effect.Success<ReturnType<Model["find"]>>>()
    return {
      find: (...asked) => {
        const key = JSON.stringify(asked)
        const known = kept.get(key)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(model.find(...asked), (rows) => Effect.sync(() => rows.length > 0 && kept.set(key, rows)))
      }
    }
  }),
  view("every opener begins anew", (model) => {
    Effect.runSync(model.reset)
    return {}
  })
]
