/** What each endpoint does: hand the request to the core, and put its answer into the published shape. */
import {
  BulkAddKeys,
  type CommandContext,
  commandOf,
  commandTable,
  type Executed,
  type ExecuteError,
  eventsAskedFor,
  instantOf,
  type Lock,
  type LockCommandType,
  LockQueries,
  Locks,
  type Resident,
  type Said,
  type SentCommand,
  streamOfLock,
  toWire
} from "@latchkey/core"
import { Effect, Struct } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"
import type { Api } from "../api/Api.ts"
import { type CommandRoute, commandRoutes } from "../api/commandRoutes.ts"
import type { Quota } from "../server/Quota.ts"
import type { Call, Handler, Handlers, Reply } from "../server/Routes.ts"
import { tempKeyList } from "./TempKeyList.ts"

/** Events on a page of a lock's history. */
const PAGE_SIZE = 100

export const makeHandlers = (
  quota: Quota
): Effect.Effect<Pick<Handlers<typeof Api>, "locks" | "users">, never, Locks | LockQueries | BulkAddKeys> =>
  Effect.gen(function* () {
    const locks = yield* Locks
    const queries = yield* LockQueries
    const bulk = yield* BulkAddKeys

    const commands = Struct.map(
      commandRoutes,
      Struct.lambda<CommandHandler>(
        (route) =>
          ({ params, payload, call }) =>
            Effect.map(locks.execute(commandOf(route.tag, payload, contextOf(call, params.id))), (executed) =>
              replyOf(route, executed)
            )
      )
    )

    return {
      locks: {
        ...commands,
        BulkAddKeys: ({ params, payload, call }) => {
          // The request itself was counted as one.
          const events = eventsAskedFor("BulkAddKeys", payload) - 1
          const tooMany = quota.admit(call.principal, { events, bytes: 0 }, call.at)
          if (tooMany !== undefined) return Effect.fail(tooMany)
          return Effect.map(bulk.start({ ...contextOf(call, params.id), keys: payload.keys }), (instanceId) =>
            ok({ success: true, lockId: params.id, instanceId })
          )
        },
        "bulk-add-keys": ({ params, call }) =>
          Effect.map(bulk.progress(call.principal, params.id, params.instanceId), (progress) =>
            ok({ success: true, ...progress })
          ),
        "temp-keys": ({ params, call }) =>
          Effect.map(queries.tempKeys(call.principal, params.id, call.at), ({ lock, tempKeys }) =>
            tempKeyList(lock, tempKeys)
          ),
        details: ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "details"), (lock) =>
            ok({
              ...basicInfo(lock),
              keys: lock.keys,
              residents: lock.residents.map(residentInfo),
              orgId: lock.orgId ?? "",
              timestamp: instantOf(lock.changedAt),
              pendingCommands: lock.pendingCommands.map(sentInfo),
              recentOutcomes: lock.recentOutcomes.map(({ outcome, reportedAt, detail, ...sent }) => ({
                ...sentInfo(sent),
                outcome,
                reportedAt: instantOf(reportedAt),
                ...(detail === undefined ? {} : { detail })
              }))
            })
          ),
        "basic-info": ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "basic-info"), (lock) =>
            ok({ ...basicInfo(lock), ...(lock.orgId === undefined ? {} : { orgId: lock.orgId }) })
          ),
        residents: ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "residents"), (lock) =>
            ok({
              residents: lock.residents.map((resident) => ({
                ...residentInfo(resident),
                hasPhone: resident.phoneNumber !== undefined
              }))
            })
          ),
        events: ({ params, query: { page = 1 }, call }) =>
          Effect.map(queries.history(call.principal, params.id, page, PAGE_SIZE), ({ totalEvents, events }) =>
            ok({
              aggregateId: String(params.id),
              totalEvents,
              page,
              pageSize: PAGE_SIZE,
              totalPages: Math.ceil(totalEvents / PAGE_SIZE),
              events: events.map(({ stored, wire }) => ({
                aggregateType: "lock",
                aggregateId: String(params.id),
                version: stored.version,
                type: stored.type,
                timestamp: instantOf(stored.at),
                orgId: stored.orgId,
                ...(wire === undefined ? {} : { event: wire })
              }))
            })
          )
      },
      users: {
        "owned-locks": ({ params, call }) =>
          Effect.map(queries.ownedLocks(call.principal, params.id), ({ locks, source }) =>
            ok({
              locks: locks.map(({ lockId: _, ownerId: __, orgId: ___, ...lock }) => lock),
              totalCount: locks.length,
              source
            })
          )
      }
    }
  })

const ok = <Body>(body: Body): Reply<Body> => ({ status: 200, body })

/** A command's handler, by its row. */
interface CommandHandler extends Struct.Lambda {
  (route: CommandRoute): (request: CommandAsked) => Effect.Effect<Reply<unknown>, ExecuteError>
  readonly "~lambda.out": this["~lambda.in"] extends { readonly endpoint: infer Endpoint }
    ? Endpoint extends HttpApiEndpoint.Constraint
      ? Handler<Endpoint>
      : never
    : never
}
interface CommandAsked {
  readonly params: { readonly id: number }
  readonly payload: Said<LockCommandType>
  readonly call: Call
}

/** What the core is told of a request. */
const contextOf = ({ principal, commandId, at, receipt }: Call, lockId: number): CommandContext => ({
  lockId,
  principal,
  commandId,
  at,
  ...(receipt === undefined ? {} : { receipt })
})

const replyOf = ({ tag, adds, status }: CommandRoute, { lockId, version, events }: Executed): Reply<unknown> => {
  const event = events.map(toWire).find(({ type }) => type === commandTable[tag].event) ?? null
  const data = Object.entries(event?.data ?? {})
  const added = Object.fromEntries(data.filter(([field]) => adds.includes(field)))
  const body = { success: true, aggregateId: String(lockId), version, event, ...added }
  return { status: event === null ? 200 : status, body }
}

const basicInfo = ({ lockId, uuid, version, serialNumber, ownerId, orgId }: Lock) => ({
  id: String(lockId),
  lockId,
  uuid,
  version,
  ...(serialNumber === undefined ? {} : { serialNumber }),
  ...(ownerId === undefined ? {} : { ownerId }),
  ...(orgId === undefined ? {} : { organizationId: orgId }),
  r2Prefix: streamOfLock(lockId)
})

const sentInfo = ({ commandId, type, requestedAt, acceptedAt, expiresAt }: SentCommand) => ({
  commandId,
  type,
  requestedAt: instantOf(requestedAt),
  acceptedAt: instantOf(acceptedAt),
  ...(expiresAt === undefined ? {} : { expiresAt: instantOf(expiresAt) })
})

const residentInfo = ({ phoneNumber: _, ...resident }: Resident) => resident
