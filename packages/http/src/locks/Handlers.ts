/** What each endpoint does: hand the request to the core, and put its answer into the published shape. */
import {
  BulkAddKeys,
  type CommandContext,
  type Executed,
  instantOf,
  type Lock,
  type LockCommand,
  type LockEventType,
  LockQueries,
  Locks,
  type Resident,
  type SentCommand,
  streamOfLock,
  toWire,
  type WireEvent
} from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import type { Quota } from "../server/Quota.ts"
import type { Call, Handlers, Reply } from "../server/Routes.ts"
import { tempKeyList } from "./TempKeyList.ts"

/** Events on a page of a lock's history. */
const PAGE_SIZE = 100

type CommandTag = LockCommand["_tag"]
type Request<Tag extends CommandTag> = {
  readonly params: { readonly id: number }
  readonly payload: Omit<Extract<LockCommand, { readonly _tag: Tag }>, keyof CommandContext | "_tag">
  readonly call: Call
}

export const makeHandlers = (
  quota: Quota
): Effect.Effect<Pick<Handlers<typeof Api>, "locks" | "users">, never, Locks | LockQueries | BulkAddKeys> =>
  Effect.gen(function* () {
    const locks = yield* Locks
    const queries = yield* LockQueries
    const bulk = yield* BulkAddKeys

    const execute = <Tag extends CommandTag>(tag: Tag, { params, payload, call }: Request<Tag>) =>
      // The payload is what the request of this tag has beside its context: together they are the command.
      locks.execute({ ...payload, ...call, _tag: tag, lockId: params.id } as LockCommand)

    const command =
      <Tag extends CommandTag, Type extends LockEventType>(tag: Tag, type: Type) =>
      (request: Request<Tag>) =>
        Effect.map(execute(tag, request), (executed) => ok(executedBody(executed, type)))

    return {
      locks: {
        CreateLock: (request) =>
          Effect.map(execute("CreateLock", request), (executed) => ({
            status: executed.events.length > 0 ? 201 : 200,
            body: executedBody(executed, "LockCreated")
          })),
        AddKey: command("AddKey", "KeyAdded"),
        RemoveKey: command("RemoveKey", "KeyRemoved"),
        WriteKey: command("WriteKey", "KeyWriteRequested"),
        OpenLock: command("OpenLock", "LockOpenRequested"),
        SetOwner: command("SetOwner", "OwnerSet"),
        SetOrganization: command("SetOrganization", "OrganizationSet"),
        ChangeLockUuid: command("ChangeLockUuid", "LockUuidChanged"),
        AddResident: (request) =>
          Effect.map(execute("AddResident", request), (executed) =>
            ok(withEmail(executedBody(executed, "ResidentAdded")))
          ),
        RemoveResident: (request) =>
          Effect.map(execute("RemoveResident", request), (executed) =>
            ok(withEmail(executedBody(executed, "ResidentRemoved")))
          ),
        BulkAddKeys: ({ params, payload, call }) => {
          // Each key is an event, and the request itself was counted as one.
          const tooMany = quota.admit(call.principal, { events: payload.keys.length - 1, bytes: 0 }, call.at)
          if (tooMany !== undefined) return Effect.fail(tooMany)
          return Effect.map(bulk.start({ ...call, lockId: params.id, keys: payload.keys }), (instanceId) =>
            ok({ success: true, lockId: params.id, instanceId })
          )
        },
        "bulk-add-keys": ({ params, call }) =>
          Effect.map(bulk.progress(call.principal, params.id, params.instanceId), (progress) =>
            ok({ success: true, ...progress })
          ),
        "create-temp-key": (request) =>
          Effect.map(execute("CreateTempKey", request), (executed) => {
            const body = executedBody(executed, "TempKeyCreated")
            return ok({ ...body, tempKeyUuid: body.event?.data.tempKeyUuid ?? request.payload.tempKeyUuid })
          }),
        "update-temp-key": command("UpdateTempKey", "TempKeyUpdated"),
        "delete-temp-key": command("DeleteTempKey", "TempKeyDeleted"),
        "use-temp-key": command("UseTempKey", "TempKeyUsed"),
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

const executedBody = <Type extends LockEventType>({ lockId, version, events }: Executed, type: Type) => {
  const event =
    events.map(toWire).find((event): event is Extract<WireEvent, { readonly type: Type }> => event.type === type) ??
    null
  return { success: true as const, aggregateId: String(lockId), version, event }
}

const withEmail = <Body extends { readonly event: { readonly data: { readonly email?: string } } | null }>(
  body: Body
) => {
  const email = body.event?.data.email
  return email === undefined ? body : { ...body, email }
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
