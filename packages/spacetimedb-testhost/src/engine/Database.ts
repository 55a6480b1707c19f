/** The clients of a module: who is connected, what they ask, and what they are told. */
import { BinaryWriter, TimeDuration, Timestamp } from "spacetimedb"
import { type ClientMessage, ServerMessage, type TransactionUpdate } from "../protocol/messages.ts"
import { argumentsFromJson, valueToJson } from "../protocol/satsJson.ts"
import type { Change } from "./Datastore.ts"
import { Instance, now, type Outcome } from "./Instance.ts"
import type { FunctionDef } from "./ModuleDef.ts"
import type { Caller, EngineData, FromEngine, ToEngine } from "./messages.ts"
import { noSuchTable, parseQuery, type Query } from "./Query.ts"
import { Scheduler } from "./Scheduler.ts"
import { rowsOf, Subscriptions } from "./Subscriptions.ts"

type Emit = (message: FromEngine) => void
type OfTag<Message extends { readonly tag: string }, Tag extends Message["tag"]> =
  Extract<Message, { readonly tag: Tag }> extends { readonly value: infer Value } ? Value : never

const NO_ARGUMENTS = new Uint8Array()

export class Database {
  readonly #owner: bigint
  readonly #instance: Instance
  readonly #emit: Emit
  readonly #clients = new Map<number, Caller>()
  readonly #subscriptions = new Subscriptions()
  readonly #scheduler: Scheduler

  private constructor({ owner, databaseIdentity }: EngineData, instance: Instance, emit: Emit) {
    this.#owner = owner
    this.#instance = instance
    this.#emit = emit
    this.#scheduler = new Scheduler(instance, databaseIdentity, (changes) => void this.#tell(changes))
  }

  /** Loads the module and calls its `init`; throws with what is to be changed when that fails. */
  static async open(data: EngineData, emit: Emit): Promise<Database> {
    let database: Database | undefined
    const instance = await Instance.load(data, {
      onCommit: (changes) => {
        if (database) database.#tell(changes)
      },
      log: (level, message) => emit({ _tag: "Log", level, message })
    })
    database = new Database(data, instance, emit)
    const outcome = database.#lifecycle("Init", { identity: data.owner, connectionId: 0n })
    if (outcome._tag !== "Ok") throw new Error(`init failed: ${outcome.message}`)
    return database
  }

  get schema(): Uint8Array {
    return this.#instance.schema
  }

  handle(message: ToEngine): void {
    switch (message._tag) {
      case "Connect":
        return this.#connect(message.client, message.caller)
      case "Disconnect":
        return this.#disconnect(message.client)
      case "Call":
        return this.#callOverHttp(message)
      case "Message": {
        const caller = this.#clients.get(message.client)
        // What a client sent while it was being turned away is dropped with it.
        if (caller) this.#answer(message.client, caller, message.message)
      }
    }
  }

  #connect(client: number, caller: Caller): void {
    this.#instance.admit(caller)
    const outcome = this.#lifecycle("OnConnect", caller)
    if (outcome._tag === "Ok") {
      this.#clients.set(client, caller)
      this.#emit({ _tag: "Connected", client })
    } else {
      this.#instance.dismiss(caller)
      this.#emit({ _tag: "Rejected", client })
    }
  }

  #disconnect(client: number): void {
    const caller = this.#clients.get(client)
    if (caller === undefined) return
    this.#clients.delete(client)
    this.#subscriptions.forget(client)
    this.#lifecycle("OnDisconnect", caller)
    this.#instance.dismiss(caller)
  }

  #lifecycle(
    phase: "Init" | "OnConnect" | "OnDisconnect",
    caller: Pick<Caller, "identity" | "connectionId">
  ): Outcome<unknown> {
    const reducer = this.#instance.def.lifecycle[phase]
    if (reducer === undefined) return { _tag: "Ok", value: undefined }
    const outcome = this.#instance.reduce(reducer, caller, NO_ARGUMENTS)
    if (outcome._tag === "Ok") this.#tell(outcome.value)
    return outcome
  }

  #answer(client: number, caller: Caller, message: ClientMessage): void {
    switch (message.tag) {
      case "Subscribe":
        return this.#subscribe(client, caller, message.value)
      case "Unsubscribe":
        return this.#unsubscribe(client, message.value)
      case "OneOffQuery": {
        const { requestId, queryString } = message.value
        const answer = (result: OfTag<ServerMessage, "OneOffQueryResult">["result"]) =>
          this.#send(client, { tag: "OneOffQueryResult", value: { requestId, result } })
        try {
          return answer({ tag: "Ok", value: rowsOf([this.#query(caller, queryString)]) })
        } catch (error) {
          return answer({ tag: "Err", value: (error as Error).message })
        }
      }
      case "CallReducer":
        return this.#callReducer(client, caller, message.value)
      case "CallProcedure":
        return this.#callProcedure(client, caller, message.value)
    }
  }

  #subscribe(client: number, caller: Caller, message: OfTag<ClientMessage, "Subscribe">): void {
    const { requestId, querySetId, queryStrings } = message
    try {
      const queries = queryStrings.map((sql) => this.#query(caller, sql))
      const rows = this.#subscriptions.add(client, querySetId.id, queries)
      this.#send(client, { tag: "SubscribeApplied", value: { requestId, querySetId, rows } })
    } catch (error) {
      const value = { requestId, querySetId, error: (error as Error).message }
      this.#send(client, { tag: "SubscriptionError", value })
    }
  }

  #unsubscribe(client: number, message: OfTag<ClientMessage, "Unsubscribe">): void {
    const { requestId, querySetId, flags } = message
    const rows = this.#subscriptions.remove(client, querySetId.id)
    if (rows === undefined) {
      const error = `This connection has no query set ${querySetId.id}`
      return this.#send(client, { tag: "SubscriptionError", value: { requestId, querySetId, error } })
    }
    const dropped = flags.tag === "SendDroppedRows" ? rows : undefined
    this.#send(client, { tag: "UnsubscribeApplied", value: { requestId, querySetId, rows: dropped } })
  }

  /** A private table is the owner's alone; to others it does not exist. */
  #query(caller: Caller, sql: string): Query {
    const query = parseQuery(sql, this.#instance.datastore.tables)
    if (!query.table.def.isPublic && caller.identity !== this.#owner) throw new Error(noSuchTable(query.table.def.name))
    return query
  }

  #callReducer(client: number, caller: Caller, message: OfTag<ClientMessage, "CallReducer">): void {
    const { requestId, reducer: name, args } = message
    const timestamp = new Timestamp(now())
    const answer = (result: OfTag<ServerMessage, "ReducerResult">["result"]) =>
      this.#send(client, { tag: "ReducerResult", value: { requestId, timestamp, result } }, name)
    const reducer = callable(this.#instance.def.reducers, name)
    if (reducer === undefined) return answer({ tag: "InternalError", value: `no such reducer: ${name}` })
    const outcome = this.#instance.reduce(reducer, caller, args)
    if (outcome._tag === "Ok") {
      const transactionUpdate = this.#tell(outcome.value, client)
      return answer(
        transactionUpdate ? { tag: "Ok", value: { retValue: new Uint8Array(), transactionUpdate } } : { tag: "OkEmpty" }
      )
    }
    if (outcome._tag === "Failed") return answer({ tag: "InternalError", value: outcome.message })
    const text = new BinaryWriter(64)
    text.writeString(outcome.message)
    answer({ tag: "Err", value: text.getBuffer() })
  }

  #callProcedure(client: number, caller: Caller, message: OfTag<ClientMessage, "CallProcedure">): void {
    const { requestId, procedure: name, args } = message
    const start = now()
    const procedure = callable(this.#instance.def.procedures, name)
    const outcome: Outcome<Uint8Array> = procedure
      ? this.#instance.proceed(procedure, caller, args)
      : { _tag: "Failed", message: "No such procedure" }
    const value: OfTag<ServerMessage, "ProcedureResult"> = {
      requestId,
      timestamp: new Timestamp(start),
      totalHostExecutionDuration: new TimeDuration(now() - start),
      status:
        outcome._tag === "Ok"
          ? { tag: "Returned", value: outcome.value }
          : { tag: "InternalError", value: outcome.message }
    }
    this.#send(client, { tag: "ProcedureResult", value }, name)
  }

  /** As on the server, a call over HTTP is a connection that lasts as long as the call. */
  #callOverHttp({ request, caller, name, args }: Extract<ToEngine, { _tag: "Call" }>): void {
    const answer = (status: number, body: string) => this.#emit({ _tag: "Answer", request, status, body })
    const { types, reducers, procedures } = this.#instance.def
    const reducer = callable(reducers, name)
    const called = reducer ?? callable(procedures, name)
    if (called === undefined) return answer(404, `no such reducer or procedure: ${name}`)
    let bsatn: Uint8Array
    try {
      bsatn = argumentsFromJson(types, called.params, args)
    } catch (cause) {
      return answer(400, `invalid arguments for ${name}: ${(cause as Error).message}`)
    }
    this.#instance.admit(caller)
    const connected = this.#lifecycle("OnConnect", caller)
    if (connected._tag === "Ok") {
      const outcome = reducer
        ? this.#instance.reduce(reducer, caller, bsatn)
        : this.#instance.proceed(called, caller, bsatn)
      if (outcome._tag !== "Ok") answer(reducer ? 530 : 500, outcome.message)
      else if (called.returns) answer(200, valueToJson(types, called.returns, outcome.value as Uint8Array))
      else {
        this.#tell(outcome.value as ReadonlyArray<Change>)
        answer(200, "")
      }
      this.#lifecycle("OnDisconnect", caller)
    } else answer(403, connected.message)
    this.#instance.dismiss(caller)
  }

  /** Tells everybody concerned what a transaction changed; what its caller is to know goes into the caller's answer. */
  #tell(changes: ReadonlyArray<Change>, caller?: number): TransactionUpdate | undefined {
    this.#scheduler.follow(changes)
    const updates = this.#subscriptions.updates(changes)
    for (const [client, value] of updates) {
      if (client !== caller) this.#send(client, { tag: "TransactionUpdate", value })
    }
    return caller === undefined ? undefined : updates.get(caller)
  }

  #send(client: number, message: ServerMessage, answers?: string): void {
    const writer = new BinaryWriter(1024)
    ServerMessage.serialize(writer, message)
    this.#emit({ _tag: "Send", client, bytes: writer.getBuffer(), answers })
  }
}

function callable(functions: ReadonlyArray<FunctionDef>, name: string): FunctionDef | undefined {
  return functions.find((one) => one.name === name && one.isCallable)
}
