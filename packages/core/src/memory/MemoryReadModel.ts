/** A read model that keeps its rows in this process's memory: it begins empty, and is filled from the feed. */
import { Effect, Layer } from "effect"
import { type Changes, type FoundRow, type Listing, nowhere, ReadModel, sameCursor } from "../read-model/ReadModel.ts"

const make = (): ReadModel["Service"] => {
  let cursor = nowhere
  /** Rows by key, table by table. */
  const tables = new Map<string, Map<string, string>>()
  /** By table, index and value: the keys, sorted. */
  const listed = new Map<string, Array<string>>()

  const rowsOf = (table: string) => getOrMake(tables, table, () => new Map<string, string>())

  const list = (listing: Listing): void => {
    const keys = getOrMake(listed, placeOf(listing), () => [])
    keys.splice(firstAfter(keys, listing.key), 0, listing.key)
  }
  const unlist = (listing: Listing): void => {
    const place = placeOf(listing)
    const keys = listed.get(place) ?? []
    const end = firstAfter(keys, listing.key)
    if (keys[end - 1] === listing.key) keys.splice(end - 1, 1)
    if (keys.length === 0) listed.delete(place)
  }

  return {
    source: "memory",

    cursor: Effect.sync(() => cursor),

    apply: (changes: Changes) =>
      Effect.sync(() => {
        if (!sameCursor(changes.after, cursor)) return false
        cursor = changes.cursor
        for (const { table, key, value } of changes.put) rowsOf(table).set(key, value)
        for (const { table, key } of changes.remove) rowsOf(table).delete(key)
        changes.unlist.forEach(unlist)
        changes.list.forEach(list)
        return true
      }),

    get: (table, keys) => Effect.sync(() => keys.flatMap((key) => found(rowsOf(table), key))),

    find: (table, index, value, after, limit) =>
      Effect.sync(() => {
        const keys = listed.get(placeOf({ table, index, value })) ?? []
        const from = after === "" ? 0 : firstAfter(keys, after)
        return keys.slice(from, from + limit).flatMap((key) => found(rowsOf(table), key))
      }),

    reset: Effect.sync(() => {
      cursor = nowhere
      tables.clear()
      listed.clear()
    })
  }
}

const found = (rows: ReadonlyMap<string, string>, key: string): ReadonlyArray<FoundRow> => {
  const value = rows.get(key)
  return value === undefined ? [] : [{ key, value }]
}

/** Names of tables and indexes hold no spaces. */
const placeOf = ({ table, index, value }: Omit<Listing, "key">): string => `${table} ${index} ${value}`

/** Where the first key is that sorts after this one. */
const firstAfter = (keys: ReadonlyArray<string>, key: string): number => {
  let [from, to] = [0, keys.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((keys[middle] as string) > key) to = middle
    else from = middle + 1
  }
  return from
}

const getOrMake = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

/** Every build of the layer is an empty read model. */
export const layer: Layer.Layer<ReadModel> = Layer.sync(ReadModel, make)
