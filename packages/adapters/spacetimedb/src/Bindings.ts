/** How the SDK calls the module: made from what the module itself declares, so there are no bindings to generate. */
import {
  DbConnectionBuilder,
  DbConnectionImpl,
  type Infer,
  type InferTypeOfRow,
  procedureSchema,
  procedures,
  reducerSchema,
  reducers,
  schema,
  t,
  table
} from "spacetimedb"
import { requireModule, WrongModule } from "./moduleVersion.ts"
import { declare } from "./schema.ts"

const declared = declare(t)

type Reducers = typeof declared.reducers
type Procedures = typeof declared.procedures

export type WriteName = keyof Reducers
export type WriteArguments<Name extends WriteName> = InferTypeOfRow<Reducers[Name]>
export type ReadName = keyof Procedures
export type ReadArguments<Name extends ReadName> = InferTypeOfRow<Procedures[Name]["params"]>
export type ReadAnswer<Name extends ReadName> = Infer<Procedures[Name]["returns"]>

/** Where the feed stands. */
export type Head = InferTypeOfRow<typeof declared.rows.head>

/** Of the tables, only the one that is subscribed to: all others are read by procedures. */
const remoteModule = {
  ...schema({ head: table({ public: true }, declared.rows.head) }).schemaType,
  ...reducers(Object.entries(declared.reducers).map(([name, params]) => reducerSchema(name, params))).reducersType,
  ...procedures(
    Object.entries(declared.procedures).map(([name, { params, returns }]) => procedureSchema(name, params, returns))
  ),
  versionInfo: { cliVersion: "2.0.0" }
}

export interface ConnectOptions {
  readonly uri: string
  readonly database: string
  readonly token: string
  /** The connection is up, the newest head known, and news of it will come. */
  readonly onReady: (head: Head) => void
  /** A new head; `call` is the object of arguments whose write moved it there, when that was a write of this connection. */
  readonly onHead: (head: Head, call: object | undefined) => void
  /** It could not be made, or has ended. May come more than once. */
  readonly onEnd: (cause: unknown) => void
}

/** One connection, until it ends. */
export interface DbConnection {
  readonly write: <Name extends WriteName>(name: Name, args: WriteArguments<Name>) => Promise<void>
  readonly read: <Name extends ReadName>(name: Name, args: ReadArguments<Name>) => Promise<ReadAnswer<Name>>
  readonly disconnect: () => void
}

/** Begins to connect, and subscribes to the head row. */
export const connect = ({ uri, database, token, onReady, onHead, onEnd }: ConnectOptions): DbConnection => {
  const connection = new DbConnectionBuilder<DbConnectionImpl<typeof remoteModule>>(
    remoteModule,
    (config) =>
      new DbConnectionImpl({
        ...config,
        // Of a socket that cannot be had, the SDK would tell the console as well.
        createWSFn: (args) =>
          config.createWSFn(args).catch((cause: unknown) => {
            onEnd(cause)
            return new Promise<never>(() => {})
          })
      })
  )
    .withUri(uri)
    .withDatabaseName(database)
    .withToken(token)
    // An answer says that what it tells of is on disk.
    .withConfirmedReads(true)
    // The SDK inflates beside the queue of messages, so that one that need not be inflated may overtake one that must.
    .withCompression("none")
    .onConnect(({ db, subscriptionBuilder }) => {
      db.head.onUpdate((context, _before, head) =>
        onHead(head, context.event.tag === "Reducer" ? context.event.value.reducer.args : undefined)
      )
      const subscribe = () =>
        subscriptionBuilder()
          .onApplied(() => {
            const head = db.head.id.find(0)
            if (head === null) onEnd(new Error("The database has no head row: it is not the module of Latchkey"))
            else onReady(head)
          })
          .onError((context) => onEnd(context.event))
          .subscribe("SELECT * FROM head")
      // Before anything else, since even rows of the head may be others in another release.
      read("module_version", {}).then(requireModule, refuseWithoutVersion).then(subscribe).catch(onEnd)
    })
    .onConnectError((_, error) => onEnd(error))
    .onDisconnect((_, error) => onEnd(error))
    .build()
  const read: DbConnection["read"] = (name, { ...args }) =>
    connection.callProcedureWithParams(name, NO_TYPE, args, t.unit().algebraicType)
  return {
    write: (name, args) => connection.callReducerWithParams(name, NO_TYPE, args),
    read,
    disconnect: () => connection.disconnect()
  }
}

/** The SDK asks for types that it then takes from the module. */
const NO_TYPE = { elements: [] }

/** Modules did not always tell their version, and others than Latchkey's never do. */
const refuseWithoutVersion = (cause: unknown): never => {
  throw /no such procedure/i.test(String(cause)) ? new WrongModule("older") : cause
}
