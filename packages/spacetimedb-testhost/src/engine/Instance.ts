/** A module that runs: its functions are called one after the other, each in its transaction. */
import { BinaryReader } from "spacetimedb"
import { type Change, Datastore } from "./Datastore.ts"
import { HostError } from "./HostError.ts"
import { type FunctionDef, type ModuleDef, readModuleDef } from "./ModuleDef.ts"
import type { Caller, EngineData } from "./messages.ts"
import { type Hooks, loadModule } from "./Runtime.ts"
import { makeSortKeys } from "./SortKey.ts"

export type Outcome<A> =
  | { readonly _tag: "Ok"; readonly value: A }
  /** The module threw a `SenderError`: its text is for the caller. */
  | { readonly _tag: "Refused"; readonly message: string }
  /** Anything else went wrong; only the log of the database says what. */
  | { readonly _tag: "Failed"; readonly message: string }

export interface Events {
  /** A procedure committed a transaction. */
  readonly onCommit: (changes: ReadonlyArray<Change>) => void
  readonly log: (level: number, message: string) => void
}

/** Levels of the module's console. */
const ERROR = 0

export class Instance {
  readonly def: ModuleDef
  readonly datastore: Datastore
  readonly schema: Uint8Array
  readonly #hooks: Hooks
  readonly #log: Events["log"]
  readonly #claims: Map<bigint, string>
  readonly #skip: (params: FunctionDef["params"]) => (reader: BinaryReader) => void

  private constructor(hooks: Hooks, claims: Map<bigint, string>, capacity: number, log: Events["log"]) {
    this.#hooks = hooks
    this.#log = log
    this.#claims = claims
    this.schema = hooks.__describe_module__()
    this.def = readModuleDef(this.schema)
    this.datastore = new Datastore(this.def, capacity)
    const sortKey = makeSortKeys(this.def.types)
    this.#skip = (value) => sortKey({ tag: "Product", value }).skip
  }

  /** Throws with what is to be changed when the bundle is no module that the test host can run. */
  static async load({ source, databaseIdentity, capacity }: EngineData, { onCommit, log }: Events): Promise<Instance> {
    let instance: Instance | undefined
    const datastore = () => {
      if (instance === undefined) throw new HostError("NotInTransaction", "no transaction is open")
      return instance.datastore
    }
    const claims = new Map<bigint, string>()
    const hooks = await loadModule(source, {
      databaseIdentity,
      datastore,
      claimsOf: (connectionId) => claims.get(connectionId),
      now,
      log,
      commit: () => onCommit(datastore().commit())
    })
    instance = new Instance(hooks, claims, capacity, log)
    return instance
  }

  /** From now on the module finds this caller's claims under its connection. */
  admit({ connectionId, claims }: Caller): void {
    this.#claims.set(connectionId, claims)
  }

  dismiss({ connectionId }: Caller): void {
    this.#claims.delete(connectionId)
  }

  /** Calls a reducer; what it changed is committed, or undone when it throws. */
  reduce(
    reducer: FunctionDef,
    caller: Pick<Caller, "identity" | "connectionId">,
    args: Uint8Array
  ): Outcome<ReadonlyArray<Change>> {
    return this.#run(reducer, args, (view) => {
      this.datastore.begin()
      this.#hooks.__call_reducer__(reducer.id, caller.identity, caller.connectionId, now(), view)
      return this.datastore.commit()
    })
  }

  /** Calls a procedure; it opens its transactions by itself. As on the server, any error of it reaches the caller. */
  proceed(
    procedure: FunctionDef,
    { identity, connectionId }: Pick<Caller, "identity" | "connectionId">,
    args: Uint8Array
  ): Outcome<Uint8Array> {
    let thrown: unknown
    const outcome = this.#run(procedure, args, ({ buffer }) => {
      try {
        const bytes = new Uint8Array(buffer)
        const result = this.#hooks.__call_procedure__(procedure.id, identity, connectionId, now(), bytes)
        // Copied: it may be a view of something larger, and it is of the module's realm.
        return Uint8Array.from(result)
      } catch (error) {
        thrown = error
        throw error
      }
    })
    return thrown === undefined
      ? outcome
      : { _tag: "Failed", message: `The module instance encountered a fatal error: Uncaught ${nameOf(thrown)}` }
  }

  #run<A>(called: FunctionDef, args: Uint8Array, body: (args: DataView) => A): Outcome<A> {
    const reader = new BinaryReader(args)
    try {
      this.#skip(called.params)(reader)
      if (reader.remaining > 0) throw new RangeError(`${reader.remaining} bytes too many`)
    } catch (cause) {
      return { _tag: "Failed", message: `invalid arguments for ${called.name}: ${(cause as Error).message}` }
    }
    try {
      return { _tag: "Ok", value: body(new DataView(args.slice().buffer)) }
    } catch (error) {
      if (error instanceof this.#hooks.__sender_error_class__) return { _tag: "Refused", message: error.message }
      this.#log(ERROR, `${called.name}: ${describe(error)}`)
      return { _tag: "Failed", message: "The instance encountered a fatal error." }
    } finally {
      if (this.datastore.inTransaction) this.datastore.rollback()
    }
  }
}

let last = 0n

/** Microseconds since 1970, later with every call: the randomness of a module is seeded with it. */
export function now(): bigint {
  const clock = BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000))
  last = clock > last ? clock : last + 1n
  return last
}

/** Errors of the module's realm are no `Error` of this one. */
function describe(error: unknown): string {
  const { stack } = (typeof error === "object" ? (error ?? {}) : {}) as { readonly stack?: unknown }
  return typeof stack === "string" ? stack : nameOf(error)
}

function nameOf(error: unknown): string {
  try {
    return String(error)
  } catch {
    return "something without a text"
  }
}
