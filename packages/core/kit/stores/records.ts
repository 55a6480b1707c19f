/** Stores that are wrong about records: their keys, their values, until when they are kept, and how they are listed. */
import { RecordConflict } from "@latchkey/core"
import { Clock, Effect, Option } from "effect"
import { type BrokenStore, like, passing, source, view } from "./fixture.ts"

/** Keys as a column may compare or keep them. */
const keyed = (name: string, keyOf: (key: string) => string): BrokenStore =>
  view(name, (store) => ({
    write: ({ expect, put, remove, ...batch }) =>
      store.write({
        ...batch,
        expect: (expect ?? []).map((one) => ({ ...one, key: keyOf(one.key) })),
        put: (put ?? []).map((one) => ({ ...one, key: keyOf(one.key) })),
        remove: (remove ?? []).map(keyOf)
      }),
    record: (key) => store.record(keyOf(key)),
    records: (prefix, after, limit) => store.records(keyOf(prefix), keyOf(after), limit)
  }))

/** Records found by a query that means something else by "starts with". */
const listing = (
  name: string,
  matches: (key: string, prefix: string) => boolean,
  order?: (one: string, other: string) => number,
  isAfter: (key: string, after: string) => boolean = (key, after) => key > after
): BrokenStore =>
  view(name, (store) => ({
    records: (prefix, after, limit) =>
      Effect.map(store.records("", "", 1_000_000), (all) =>
        all
          .filter(({ key }) => matches(key, prefix) && isAfter(key, after))
          .sort((one, other) => (order === undefined ? 0 : order(one.key, other.key)))
          .slice(0, limit)
      )
  }))

const startsWith = (key: string, prefix: string) => key.startsWith(prefix)

const bytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))

const FORGET = `for (const key of removed) remove(key)`

export const brokenRecords: ReadonlyArray<BrokenStore> = [
  view("a large value is seen while it is being written", (store) => ({
    write: (batch) => {
      const large = (batch.put ?? []).filter(({ value }) => value.length > 1_048_576)
      if (large.length === 0 || batch.append?.length || batch.expect?.length) return store.write(batch)
      return Effect.gen(function* () {
        for (const { key, value } of large) {
          const old = Option.getOrElse(yield* store.record(key), () => "")
          const half = value.length / 2
          yield* store.write({ put: [{ key, value: value.slice(0, half) + old.slice(half) }] })
          yield* Effect.yieldNow
        }
        return yield* store.write(batch)
      })
    }
  })),
  keyed("keys are compared without case", (key) => key.toLowerCase()),
  keyed("keys are trimmed at their end", (key) => key.trimEnd()),
  keyed("keys are cut at 255 characters", (key) => key.slice(0, 255)),
  keyed("keys are normalized", (key) => key.normalize("NFC")),
  passing("values are trimmed", { put: (put) => ({ ...put, value: put.value.trim() }) }),
  passing("values are kept as JSON", {
    put: (put) => ({ ...put, value: /^[{[]/.test(put.value) ? JSON.stringify(JSON.parse(put.value)) : put.value })
  }),
  passing("values are cut at 1 MiB", { put: (put) => ({ ...put, value: put.value.slice(0, 1_048_576) }) }),
  passing("values lose their time", { put: ({ until: _, ...put }) => put }),
  passing("times of records are in seconds", {
    put: (put) => (put.until === undefined ? put : { ...put, until: put.until * 1_000 })
  }),
  passing("times of records have 32 bits", {
    put: (put) => (put.until === Number.MAX_SAFE_INTEGER ? { ...put, until: 2 ** 31 } : put)
  }),
  view("an empty value is none", (store) => ({
    record: (key) =>
      Effect.map(
        store.record(key),
        Option.filter((value) => value !== "")
      )
  })),
  source(
    "a put does not replace",
    "records.set(key, { value, until })",
    "if (!records.has(key)) records.set(key, { value, until })"
  ),
  source(
    "a put keeps an earlier time",
    "records.set(key, { value, until })",
    "records.set(key, { value, until: Math.min(until, records.get(key)?.until ?? until) })"
  ),
  source(
    "a put without a time keeps the earlier one",
    "records.set(key, { value, until })",
    "records.set(key, { value, until: until === Number.POSITIVE_INFINITY ? (records.get(key)?.until ?? until) : until })"
  ),
  source(
    "a put of the same value changes nothing",
    "records.set(key, { value, until })",
    "if (records.get(key)?.value !== value) records.set(key, { value, until })"
  ),
  source("records are never removed", FORGET, ""),
  source("only the first record is removed", FORGET, "for (const key of removed.slice(0, 1)) remove(key)"),
  source(
    "a removed record is still listed",
    "if (key !== after && value !== undefined) found.push({ key, value })",
    `if (key !== after) found.push({ key, value: value ?? "" })`
  ),
  view("who removes nothing is refused", (store) => ({
    write: (batch) =>
      Effect.gen(function* () {
        for (const key of batch.remove ?? [])
          if (Option.isNone(yield* store.record(key))) return yield* new RecordConflict({ key, actual: undefined })
        return yield* store.write(batch)
      })
  })),
  source("expired records are found", "kept !== undefined && kept.until > now ?", "kept !== undefined ?"),
  source("expired records are expected", "const actual = valueOf(key, now)", "const actual = records.get(key)?.value"),
  source("expired records are listed", "const value = valueOf(key, now)", "const value = records.get(key)?.value"),
  source(
    "expired records are read",
    "Option.fromUndefinedOr(valueOf(key, now))",
    "Option.fromUndefinedOr(records.get(key)?.value)"
  ),
  source(
    "expired records count as part of a page",
    "const value = valueOf(key, now)\n          if (key !== after && value !== undefined) found.push({ key, value })",
    "const value = valueOf(key, now)\n          if (value === undefined && records.has(key)) limit--\n          if (key !== after && value !== undefined) found.push({ key, value })"
  ),
  source(
    "the conflict tells an expired value",
    "new RecordConflict({ key, actual })",
    "new RecordConflict({ key, actual: records.get(key)?.value })"
  ),
  source("a record ends an hour early", "kept.until > now", "kept.until - 3_700_000 > now"),
  source("every record with a time is gone at once", "kept.until > now", "kept.until > Number.MAX_SAFE_INTEGER"),
  source(
    "one expired record ends the look for others",
    "if (key !== after && value !== undefined) found.push({ key, value })",
    "if (value === undefined) break\n          if (key !== after) found.push({ key, value })"
  ),
  view("a timer removes a record, whatever it is by then", (store) => ({
    write: (batch) =>
      Effect.tap(store.write(batch), () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.sync(() => {
            for (const { key, until } of batch.put ?? []) {
              if (until !== undefined && until - now < 60_000)
                setTimeout(() => Effect.runFork(store.write({ remove: [key] })), Math.max(0, until - now)).unref()
            }
          })
        )
      )
  })),
  source("the key to go on after comes again", "if (key !== after && value", "if (value"),
  source("records are listed with one too many", "if (found.length >= limit ||", "if (found.length > limit ||"),
  source("records are listed without a limit", "if (found.length >= limit ||", "if ("),
  source(
    "the prefix itself is not listed",
    "if (key !== after && value",
    "if (key !== prefix && key !== after && value"
  ),
  source(
    "records before the prefix are skipped one by one, and counted",
    "keys.from(prefix > after ? prefix : after)",
    "keys.from(after)"
  ),
  source(
    "where to go on counts only inside the prefix",
    "keys.from(prefix > after ? prefix : after)",
    "keys.from(after.startsWith(prefix) ? after : prefix)"
  ),
  source(
    "the order of keys is lost in a long run",
    "if (run.length > LONGEST) runs.splice(index + 1, 0, run.splice(LONGEST / 2))",
    "if (run.length > 512) runs.splice(index, 0, run.splice(256))",
    "SortedKeys.ts"
  ),
  listing("a prefix is a pattern", (key, prefix) => like(key, prefix)),
  listing("a prefix is a pattern whose backslash escapes", (key, prefix) =>
    startsWith(key, prefix.replace(/\\(.)/gu, "$1"))
  ),
  listing("a prefix is compared without case", (key, prefix) => key.toLowerCase().startsWith(prefix.toLowerCase())),
  listing("a prefix is looked for anywhere", (key, prefix) => key.includes(prefix)),
  listing("a prefix ends at the highest character", (key, prefix) => key >= prefix && key < `${prefix}\uffff`),
  listing(
    "a prefix ends before its last character's next",
    (key, prefix) =>
      key >= prefix &&
      (prefix === "" ||
        bytes(key, prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)) < 0)
  ),
  listing("keys come in the order of their bytes", startsWith, bytes, (key, after) => bytes(key, after) > 0),
  listing("keys come in the order of a language", startsWith, (one, other) => one.localeCompare(other)),
  listing("keys come in the order of their numbers", startsWith, new Intl.Collator("en", { numeric: true }).compare),
  listing("keys come newest first", startsWith, (one, other) => (one < other ? 1 : -1)),
  listing("keys come in the order of their bytes, and go on in that of their code units", startsWith, bytes)
]
