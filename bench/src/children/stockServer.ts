/**
 * The API on Effect's stock server: `HttpApiBuilder` over the same declaration, services and sign-in as `latchkey serve`.
 * Only what the benchmarks ask for answers; everything else is 501. A request costs it less than it costs
 * `latchkey serve`: there are no budgets, receipts, metrics or turns. Its one argument is the folder of the data.
 */
import "effect/schema/SchemaJITCompiler/enable"
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import {
  commandOf,
  Latchkey,
  type Lock,
  type LockCommandType,
  LockQueries,
  Locks,
  type Principal,
  type Said,
  type TempKeyNow,
  toWire
} from "@latchkey/core"
import { Api, Authenticator, apiKeysLayer, Jwt } from "@latchkey/http"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { ByteSize, Context, Effect, Layer } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { API_KEY } from "../load.ts"
import { tellPort } from "./announce.ts"

const folder = process.argv[2] ?? ""

/** Who is signed in: the declaration's middleware provides nothing. */
const Caller = Context.Reference<Principal>("@latchkey/bench/Caller", { defaultValue: () => ({ _tag: "Guest" }) })

interface Asked {
  readonly params: { readonly id: number }
  readonly payload: unknown
}

const refuse =
  (code: 400 | 401) =>
  ({ _tag, message }: { readonly _tag: string; readonly message: string }) => ({
    success: false as const,
    error: _tag,
    message,
    code
  })

/** A UUID of version 7. */
const commandId = (at: number): string => {
  const time = at.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

const command =
  <Tag extends LockCommandType>(execute: Locks["Service"]["execute"], tag: Tag) =>
  ({ params: { id: lockId }, payload }: Asked) =>
    Effect.flatMap(Caller, (principal) => {
      const at = Date.now()
      const asked = commandOf(tag, payload as Said<Tag>, { lockId, principal, commandId: commandId(at), at })
      return Effect.mapBoth(execute(asked), {
        onFailure: refuse(400),
        onSuccess: ({ version, events: [event] }) => {
          const wire = event === undefined ? null : toWire(event)
          const added = wire !== null && "tempKeyUuid" in wire.data ? { tempKeyUuid: wire.data.tempKeyUuid } : {}
          return { success: true, aggregateId: String(lockId), version, event: wire, ...added }
        }
      })
    })

/** As `latchkey serve` does: the JSON of a temp key is kept until the key changes. */
const jsonOf = ({ uuid: lockUuid, lockId }: Lock, key: TempKeyNow): string => {
  const written = lastWritten.get(key)
  if (written !== undefined) return written
  const { uuid, nextChangeAt: _, createdVersion: __, ...listed } = key
  const json = JSON.stringify({ uuid, lockId, lockUuid, ...listed })
  lastWritten.set(key, json)
  return json
}
const lastWritten = new WeakMap<TempKeyNow, string>()

const notImplemented = () => Effect.succeed(HttpServerResponse.empty({ status: 501 }))

/** The types want a handler for each endpoint; most endpoints share one here. */
const group = <const Name extends keyof typeof Api.groups>(name: Name, answered: object = {}) =>
  HttpApiBuilder.group(Api, name, (handlers) => {
    const others = Object.keys(Api.groups[name].endpoints).map((endpoint) => [endpoint, notImplemented])
    return handlers.handleAll({ ...Object.fromEntries(others), ...answered } as never) as never
  })

const others = Object.keys(Api.groups).filter((name) => name !== "locks") as ReadonlyArray<keyof typeof Api.groups>

const groups = Effect.gen(function* () {
  const { execute } = yield* Locks
  const queries = yield* LockQueries
  return Layer.mergeAll(
    group("locks", {
      CreateLock: command(execute, "CreateLock"),
      SetOwner: command(execute, "SetOwner"),
      "create-temp-key": command(execute, "CreateTempKey"),
      "use-temp-key": command(execute, "UseTempKey"),
      "temp-keys": ({ params: { id } }: Asked) =>
        Effect.flatMap(Caller, (principal) =>
          Effect.mapBoth(queries.tempKeys(principal, id, Date.now()), {
            onFailure: refuse(400),
            onSuccess: ({ lock, tempKeys }) =>
              HttpServerResponse.text(
                `{"tempKeys":[${tempKeys.map((key) => jsonOf(lock, key)).join(",")}],"severalDoors":null,"more":false,"nextCursor":null}`,
                {
                  contentType: "application/json",
                  headers: { "cache-control": "no-store" }
                }
              )
          })
        )
    }),
    ...others.map((name) => group(name))
  )
})

const [Authentication] = Api.groups.locks.endpoints.SetOwner.middlewares

const signIn = Layer.unwrap(
  Effect.map(Authenticator, ({ authenticate }) => {
    const signedIn = <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
      HttpServerRequest.HttpServerRequest.pipe(
        Effect.flatMap(({ headers }) => Effect.mapError(authenticate(headers), refuse(401))),
        Effect.flatMap((principal) => Effect.provideService(handler, Caller, principal))
      )
    return Layer.succeed(Authentication as never, { apiKey: signedIn, bearer: signedIn } as never)
  })
)

/** The deadlines of `latchkey serve`. */
const server = createServer({
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 30_000
})

const authenticator = Authenticator.layer.pipe(
  Layer.provide(apiKeysLayer([{ orgId: "acme", secret: API_KEY }])),
  Layer.provide(Jwt.layer({ key: { _tag: "None" }, issuer: "", audience: "" }))
)

const served = HttpRouter.serve(
  HttpApiBuilder.layer(Api).pipe(Layer.provide(Layer.unwrap(groups)), Layer.provide(signIn)),
  { disableLogger: true, disableListenLog: true }
)

Layer.effectDiscard(Effect.sync(() => tellPort((server.address() as AddressInfo).port))).pipe(
  Layer.provide(served),
  Layer.provide(NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 })),
  Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(64))),
  Layer.provide(Layer.merge(authenticator, Latchkey.workers)),
  Layer.provide(Latchkey.layer()),
  Layer.provide(Layer.merge(Sqlite.layer({ folder }), LocalShadow.layer({ folder }))),
  Layer.launch,
  NodeRuntime.runMain
)
