/** Loads a bundle into a realm of its own and gives it the server runtime's host modules, `spacetime:sys@2.x`. */
import { SourceTextModule, SyntheticModule } from "node:vm"
import type { Datastore } from "./Datastore.ts"
import { ERROR_CODES, HostError } from "./HostError.ts"
import { createRealm } from "./realm.ts"
import type { Row } from "./Table.ts"

/** What the server runtime of a module offers to its host. */
export interface Hooks {
  readonly __describe_module__: () => Uint8Array
  readonly __get_error_constructor__: (code: number) => new (message: string) => Error
  readonly __sender_error_class__: new (message: string) => Error
  readonly __call_reducer__: (id: number, sender: bigint, connection: bigint, timestamp: bigint, args: DataView) => void
  readonly __call_procedure__: (
    id: number,
    sender: bigint,
    connection: bigint,
    timestamp: bigint,
    args: Uint8Array
  ) => Uint8Array
}

/** What the calls of a module need beside the tables. */
export interface HostEnvironment {
  readonly databaseIdentity: bigint
  readonly datastore: () => Datastore
  /** The claims of a connection's token as JSON, if it is connected. */
  readonly claimsOf: (connectionId: bigint) => string | undefined
  readonly now: () => bigint
  readonly log: (level: number, message: string) => void
  /** Commits what a procedure did in a transaction of its own. */
  readonly commit: () => void
}

const moduleHooks = Symbol("spacetimedb module hooks")

/** Evaluates the bundle; throws with what is to be changed when it is no module. */
export async function loadModule(source: string, environment: HostEnvironment): Promise<Hooks> {
  const context = createRealm()
  let hooks: Hooks | undefined
  const refused = (error: unknown) => {
    if (!(error instanceof HostError)) return error
    const ErrorClass = hooks?.__get_error_constructor__(ERROR_CODES[error.code]) ?? Error
    return new ErrorClass(error.message)
  }
  const guarded =
    <Args extends Array<never>, A>(call: (...args: Args) => A) =>
    (...args: Args): A => {
      try {
        return call(...args)
      } catch (error) {
        throw error instanceof BufferTooSmall ? { __buffer_too_small__: error.size } : refused(error)
      }
    }
  const { v2_0, v2_1 } = syscalls(environment)
  const modules = new Map(
    Object.entries({
      "spacetime:sys@2.0": { moduleHooks, ...mapValues(v2_0, guarded as never) },
      "spacetime:sys@2.1": mapValues(v2_1, guarded as never)
    }).map(([name, exported]) => [
      name,
      new SyntheticModule(
        Object.keys(exported),
        function () {
          for (const [key, value] of Object.entries(exported)) this.setExport(key, value)
        },
        { context, identifier: name }
      )
    ])
  )

  const module = new SourceTextModule(source, { context, identifier: "module.js" })
  await module.link((specifier) => {
    const found = modules.get(specifier)
    if (found) return found
    throw new Error(
      `The bundle imports ${specifier}, which the server has not: bundle everything but spacetime:sys@2.x`
    )
  })
  const endless = new Promise<never>((_, reject) =>
    setImmediate(() => reject(new Error("The bundle awaits something at its top level, and it does not come at once")))
  )
  await Promise.race([module.evaluate(), endless])
  const schema = (module.namespace as { default?: { [moduleHooks]?: (exports: object) => Hooks } }).default
  if (typeof schema?.[moduleHooks] !== "function") {
    throw new Error("The bundle's default export is not the module's schema")
  }
  hooks = schema[moduleHooks](module.namespace)
  return hooks
}

class BufferTooSmall {
  readonly size: number

  constructor(size: number) {
    this.size = size
  }
}

function syscalls({ databaseIdentity, datastore, claimsOf, now, log, commit }: HostEnvironment) {
  const iterators = new Map<number, Array<Row>>()
  const timers = new Map<number, { readonly name: string; readonly start: number }>()
  let handles = 0

  const iterate = (rows: Iterable<Row>) => {
    handles = (handles % 0x7fff_ffff) + 1
    // From the end, so that a row is taken off in constant time.
    iterators.set(handles, [...rows].reverse())
    return handles
  }
  const rangeOf = (buffer: ArrayBuffer, prefix: number, start: number, end: number) => ({
    prefix: new Uint8Array(buffer, 0, prefix),
    start: new Uint8Array(buffer, prefix, start),
    // One bound stands for both: exactly this value.
    end: end === 0 ? new Uint8Array(buffer, prefix, start) : new Uint8Array(buffer, prefix + start, end)
  })
  const writeBack = (buffer: ArrayBuffer, generated: Uint8Array) => {
    new Uint8Array(buffer).set(generated)
    return generated.length
  }

  const v2_0 = {
    table_id_from_name: (name: string) => datastore().tableId(name),
    index_id_from_name: (name: string) => datastore().indexId(name),
    datastore_table_row_count: (table: number) => BigInt(datastore().table(table).size),
    datastore_table_scan_bsatn: (table: number) => iterate(datastore().table(table).rows()),
    datastore_index_scan_point_bsatn: (index: number, buffer: ArrayBuffer, length: number) =>
      iterate(datastore().point(index, new Uint8Array(buffer, 0, length)).rows),
    datastore_index_scan_range_bsatn: (
      index: number,
      buffer: ArrayBuffer,
      prefixLength: number,
      prefixColumns: number,
      startLength: number,
      endLength: number
    ) => {
      const { prefix, start, end } = rangeOf(buffer, prefixLength, startLength, endLength)
      return iterate(datastore().range(index, prefix, prefixColumns, start, end).rows)
    },
    /** Fills the buffer with whole rows; the answer is negative when these were the last ones. */
    row_iter_bsatn_advance: (iterator: number, buffer: ArrayBuffer) => {
      const rows = iterators.get(iterator)
      if (rows === undefined) throw new HostError("NoSuchIter", `no iterator ${iterator}`)
      const into = new Uint8Array(buffer)
      let written = 0
      for (let row = rows.at(-1); row && written + row.bytes.length <= into.length; row = rows.at(-1)) {
        into.set(row.bytes, written)
        written += row.bytes.length
        rows.pop()
      }
      const next = rows.at(-1)
      if (next === undefined) iterators.delete(iterator)
      else if (written === 0) throw new BufferTooSmall(next.bytes.length)
      return next === undefined ? -written : written
    },
    row_iter_bsatn_close: (iterator: number) => {
      if (!iterators.delete(iterator)) throw new HostError("NoSuchIter", `no iterator ${iterator}`)
    },
    datastore_insert_bsatn: (table: number, buffer: ArrayBuffer, length: number) =>
      writeBack(buffer, datastore().insert(table, new Uint8Array(buffer, 0, length))),
    datastore_update_bsatn: (table: number, index: number, buffer: ArrayBuffer, length: number) =>
      writeBack(buffer, datastore().update(table, index, new Uint8Array(buffer, 0, length))),
    datastore_delete_by_index_scan_point_bsatn: (index: number, buffer: ArrayBuffer, length: number) =>
      datastore().delete(datastore().point(index, new Uint8Array(buffer, 0, length))),
    datastore_delete_by_index_scan_range_bsatn: (
      index: number,
      buffer: ArrayBuffer,
      prefixLength: number,
      prefixColumns: number,
      startLength: number,
      endLength: number
    ) => {
      const { prefix, start, end } = rangeOf(buffer, prefixLength, startLength, endLength)
      return datastore().delete(datastore().range(index, prefix, prefixColumns, start, end))
    },
    datastore_delete_all_by_eq_bsatn: (table: number, buffer: ArrayBuffer, length: number) =>
      datastore().deleteEqual(table, new Uint8Array(buffer, 0, length)),
    volatile_nonatomic_schedule_immediate: () => {
      throw new HostError("HostCallFailure", "the test host does not schedule calls without a table")
    },
    console_log: (level: number, message: string) => log(level, message),
    console_timer_start: (name: string) => {
      timers.set(++handles, { name, start: performance.now() })
      return handles
    },
    console_timer_end: (id: number) => {
      const timer = timers.get(id)
      if (!timers.delete(id) || !timer) throw new HostError("NoSuchConsoleTimer", `no timer ${id}`)
      log(2, `${timer.name}: ${(performance.now() - timer.start).toFixed(3)} ms`)
    },
    identity: () => databaseIdentity,
    get_jwt_payload: (connectionId: bigint) => new TextEncoder().encode(claimsOf(connectionId) ?? ""),
    procedure_http_request: () => {
      throw new HostError("HttpError", "the test host makes no HTTP requests")
    },
    procedure_start_mut_tx: () => {
      datastore().begin()
      return now()
    },
    procedure_commit_mut_tx: commit,
    procedure_abort_mut_tx: () => datastore().rollback()
  }
  const v2_1 = {
    datastore_clear: (table: number) => {
      const cleared = datastore().table(table)
      return BigInt(datastore().delete({ table: cleared, rows: [...cleared.rows()] }))
    }
  }
  return { v2_0, v2_1 }
}

function mapValues<A, B>(record: Record<string, A>, f: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))
}
