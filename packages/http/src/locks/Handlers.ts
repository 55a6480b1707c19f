/** What each endpoint does: hand the request to the core, and put its answer into the published shape. */
import {
  BulkAddKeys,
  type CommandContext,
  CommandOutcomes,
  type CommandStatus,
  type Connection,
  commandOf,
  commandTable,
  descriptionOf,
  type Executed,
  type ExecuteError,
  eventsAskedFor,
  exposureOf,
  type HardwareKey,
  hardwareOf,
  hardwareStatus,
  inheritedIn,
  instantOf,
  KeyRemovals,
  type Lock,
  type LockCommandType,
  LockQueries,
  Locks,
  leftBehind,
  type Principal,
  type Resident,
  rowOf,
  type Said,
  type SeenState,
  type SentCommand,
  SharedCredentials,
  streamOfLock,
  toWire
} from "@latchkey/core"
import { Duration, Effect, Struct } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"
import type { Api } from "../api/Api.ts"
import { type CommandRoute, commandRoutes } from "../api/commandRoutes.ts"
import { LONGEST_WAIT } from "../api/Parts.ts"
import { Authenticator } from "../auth/Authentication.ts"
import type { Answer } from "../server/Answer.ts"
import { conditionOf, isKnown, tagBeside, tagOf } from "../server/Conditions.ts"
import { principalInfo } from "../server/PrincipalInfo.ts"
import type { Quota } from "../server/Quota.ts"
import { type Call, contextOf, type Handler, type Handlers, type Reply } from "../server/Routes.ts"
import { auditsOf } from "./Audits.ts"
import { tempKeyList } from "./TempKeyList.ts"

export const makeHandlers = (
  quota: Quota
): Effect.Effect<
  Pick<Handlers<typeof Api>, "locks" | "users">,
  never,
  Locks | LockQueries | BulkAddKeys | KeyRemovals | CommandOutcomes | SharedCredentials | Authenticator
> =>
  Effect.gen(function* () {
    const locks = yield* Locks
    const queries = yield* LockQueries
    const audits = auditsOf(queries)
    const bulk = yield* BulkAddKeys
    const removals = yield* KeyRemovals
    const outcomes = yield* CommandOutcomes
    const { authenticate } = yield* Authenticator
    const { hasDoorsAt } = yield* SharedCredentials

    /** Whether the device that was told to open, or to lock, is away. */
    const offline = ({ events }: Executed) => {
      const told = events.find(({ _tag }) => _tag === "LockOpenRequested" || _tag === "LockDeviceRequested")
      return told === undefined || !("uuid" in told)
        ? Effect.succeed({})
        : Effect.map(queries.isOnline(told.uuid), (online) => ({ offline: online === false }))
    }

    /** The keys that the user whom the events name still holds; the answer goes without when that cannot be told. */
    const keysHeld = (principal: Principal, { lockId, events }: Executed) =>
      Effect.match(queries.lock(principal, lockId, "details"), {
        onFailure: () => ({}),
        onSuccess: ({ keys }) => ({
          keysHeld: keys.flatMap(({ uuid, indexNumber, userId }) =>
            events.some((event) => event._tag === "ResidentRemoved" && event.userId === userId)
              ? [{ keyUuid: uuid, ...(indexNumber === undefined ? {} : { keyIndexNumber: indexNumber }) }]
              : []
          )
        })
      })

    /** What an answer says beyond its event. */
    const moreOf: { readonly [Tag in LockCommandType]?: More } = {
      RemoveResident: keysHeld,
      OpenLock: (_, executed) => offline(executed),
      LockDevice: (_, executed) => offline(executed)
    }

    const commands = Struct.map(
      commandRoutes,
      Struct.lambda<CommandHandler>((route) => ({ params, payload, call }) => {
        const execute = locks.execute(commandOf(route.tag, payload, contextAt(params.id, call)))
        const more = moreOf[route.tag]
        return more === undefined
          ? Effect.map(execute, (executed) => replyOf(route, executed))
          : Effect.flatMap(execute, (executed) =>
              Effect.map(more(call.principal, executed), (more) => replyOf(route, executed, more))
            )
      })
    )

    return {
      locks: {
        ...commands,
        "remove-inherited-keys": ({ params, call }) =>
          Effect.map(removals.inherited(contextAt(params.id, call)), (removed) => ok({ success: true, ...removed })),
        BulkAddKeys: ({ params, payload, call }) => {
          // The request itself was counted as one.
          const events = eventsAskedFor("BulkAddKeys", payload) - 1
          const tooMany = quota.admit(call.principal, { events, bytes: 0 }, call.at)
          if (tooMany !== undefined) return Effect.fail(tooMany)
          return Effect.map(bulk.start({ ...contextAt(params.id, call), keys: payload.keys }), (instanceId) =>
            ok({ success: true, lockId: params.id, instanceId })
          )
        },
        "bulk-add-keys": ({ params, call }) =>
          Effect.map(bulk.progress(call.principal, params.id, params.instanceId), (progress) =>
            ok({ success: true, ...progress })
          ),
        command: Effect.fnUntraced(function* ({ params: { id, commandId }, query: { wait = 0 }, call }) {
          const patience = Duration.seconds(Math.min(wait, LONGEST_WAIT))
          const status = yield* outcomes.of(call.principal, id, commandId, patience)
          // Who has waited may have lost the right meanwhile.
          if (wait > 0) yield* authenticate(call.headers)
          return ok({ success: true, lockId: id, ...statusInfo(status) })
        }),
        "temp-keys": ({ params, query, call }) =>
          Effect.map(queries.tempKeys(call.principal, params.id, call.at, query), ({ lock, tempKeys, nextCursor }) =>
            tempKeyList(lock, tempKeys, hasDoorsAt(params.id), nextCursor)
          ),
        details: Effect.fnUntraced(function* ({ params, call }) {
          const lock = yield* queries.lock(call.principal, params.id, "details")
          const presence = presenceInfo(yield* queries.presence(lock.uuid))
          return unlessKnown(call, tagBeside(lock.version, presence), () => ({
            ...basicInfo(lock),
            keys: keysInfo(lock),
            residents: lock.residents.map(residentInfo),
            orgId: lock.orgId ?? "",
            timestamp: instantOf(lock.changedAt),
            pendingCommands: lock.pendingCommands.map(sentInfo),
            recentOutcomes: lock.recentOutcomes.map(({ outcome, reportedAt, detail, ...sent }) => ({
              ...sentInfo(sent),
              outcome,
              reportedAt: instantOf(reportedAt),
              ...(detail === undefined ? {} : { detail })
            })),
            deviceState: stateInfo(lock.seen?.state),
            presence,
            description: descriptionOf(lock),
            hardware: {
              foreign: lock.hardware.filter(({ foreign }) => foreign).map(foreignInfo),
              mayHoldOthers: lock.mayHoldOthers === true
            }
          }))
        }),
        exposure: ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "exposure"), (lock) =>
            ok({
              lockId: lock.lockId,
              keys: exposureOf(lock).map((key) => ({ ...key, exposedSince: instantOf(key.exposedSince) })),
              left: leftBehind(lock).map((key) => ({ ...key, exposedSince: instantOf(key.exposedSince) }))
            })
          ),
        presence: ({ params, call }) =>
          Effect.map(queries.presenceChanges(call.principal, params.id), (changes) =>
            ok({
              lockId: params.id,
              changes: changes.map(({ since, ...change }) => ({ ...change, since: instantOf(since) }))
            })
          ),
        "basic-info": ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "basic-info"), (lock) =>
            unlessKnown(call, tagOf(lock.version), () => ({
              ...basicInfo(lock),
              ...(lock.orgId === undefined ? {} : { orgId: lock.orgId })
            }))
          ),
        residents: ({ params, call }) =>
          Effect.map(queries.lock(call.principal, params.id, "residents"), (lock) =>
            unlessKnown(call, tagOf(lock.version), () => ({
              residents: lock.residents.map((resident) => ({
                ...residentInfo(resident),
                hasPhone: resident.phoneNumber !== undefined
              }))
            }))
          ),
        "audit.csv": ({ params, query, call }) => audits.csv(call.principal, params.id, query.after),
        "audit.ndjson": ({ params, query, call }) => audits.ndjson(call.principal, params.id, query.after),
        events: ({ params, query, call }) =>
          Effect.map(queries.history(call.principal, params.id, query), ({ events, nextCursor = null, ...page }) =>
            ok({
              aggregateId: String(params.id),
              ...page,
              totalPages: Math.ceil(page.totalEvents / page.pageSize),
              events: events.map(({ at, principal, wire, ...event }) => ({
                aggregateType: "lock" as const,
                aggregateId: String(params.id),
                ...event,
                timestamp: instantOf(at),
                principal: principalInfo(principal),
                ...(wire === undefined ? {} : { event: wire })
              })),
              nextCursor
            })
          )
      },
      users: {
        keys: ({ params, query, call }) =>
          Effect.map(queries.userKeys(call.principal, params.id, query), ({ keys, nextCursor = null }) =>
            ok({
              keys: keys.map(({ lockId, keyUuid, keyIndexNumber }) => ({
                lockId,
                keyUuid,
                ...(keyIndexNumber === null ? {} : { keyIndexNumber })
              })),
              nextCursor
            })
          ),
        "remove-keys": ({ params, call }) =>
          Effect.map(removals.ofUser(params.id, contextOf(call)), (removed) => ok({ success: true, ...removed })),
        "owned-locks": ({ params, call }) =>
          Effect.map(queries.ownedLocks(call.principal, params.id), ({ locks, source }) =>
            ok({
              locks: locks.map(({ lockId: _, ownerId: __, orgId: ___, deviceState, presence, ...lock }) => ({
                ...lock,
                deviceState: stateInfo(deviceState),
                presence: presenceInfo(presence)
              })),
              totalCount: locks.length,
              source
            })
          )
      }
    }
  })

type More = (principal: Principal, executed: Executed) => Effect.Effect<object>

const ok = <Body>(body: Body, headers?: Reply<Body>["headers"]): Reply<Body> => ({
  status: 200,
  body,
  ...(headers && { headers })
})

/** What has this tag, and 304 to those who have it already. */
const unlessKnown = <Body>({ headers }: Call, etag: string, body: () => Body): Reply<Body> | Answer =>
  isKnown(headers, etag)
    ? { status: 304, contentType: "application/json", body: "", headers: { etag } }
    : ok(body(), { etag })

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

const contextAt = (lockId: number, call: Call): CommandContext => ({
  lockId,
  ...contextOf(call),
  ...conditionOf(call.headers)
})

const replyOf = (
  { tag, adds, status }: CommandRoute,
  { lockId, version, events, commandId }: Executed,
  more: object = {}
): Reply<unknown> => {
  const event = events.map(toWire).find(({ type }) => type === commandTable[tag].event) ?? null
  const data = Object.entries(event?.data ?? {})
  const added = Object.fromEntries(data.filter(([field]) => adds.includes(field)))
  const sent = event !== null && (rowOf(tag).device ?? rowOf(tag).later) !== undefined ? { commandId } : {}
  const body = { success: true, aggregateId: String(lockId), version, event, ...added, ...sent, ...more }
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

const sentInfo = ({ acceptedAt, ...sent }: SentCommand) => ({ ...askedInfo(sent), acceptedAt: instantOf(acceptedAt) })

const askedInfo = ({ commandId, type, requestedAt, expiresAt }: Omit<SentCommand, "acceptedAt">) => ({
  commandId,
  type,
  requestedAt: instantOf(requestedAt),
  ...(expiresAt === undefined ? {} : { expiresAt: instantOf(expiresAt) })
})

const statusInfo = ({ acceptedAt, ...sent }: CommandStatus) => ({
  ...askedInfo(sent),
  ...(acceptedAt === undefined ? {} : { acceptedAt: instantOf(acceptedAt) }),
  status: sent.status,
  ...("outcome" in sent && {
    reportedAt: instantOf(sent.reportedAt),
    ...(sent.detail !== undefined && { detail: sent.detail }),
    ...(sent.began !== undefined && { began: sent.began }),
    ...(sent.useReturned && { useReturned: true as const })
  })
})

const keysInfo = (lock: Lock) => {
  const inherited = inheritedIn(lock)
  const hardware = new Map(hardwareOf(lock, inherited).map((key) => [key.uuid, key]))
  return lock.keys.map((key) => ({
    ...(inherited.has(key.uuid) ? { ...key, inherited: true as const } : key),
    hardware: hardwareInfo(hardware.get(key.uuid))
  }))
}

const foreignInfo = (key: HardwareKey) => ({
  keyUuid: key.uuid,
  ...(key.indexNumber === undefined ? {} : { keyIndexNumber: key.indexNumber }),
  since: instantOf(key.exposedSince ?? 0),
  status: hardwareStatus(key)
})

/** Of a key on no hardware there is nothing to say. */
const hardwareInfo = (key: HardwareKey | undefined) =>
  key === undefined
    ? ({ status: "unknown" } as const)
    : { status: hardwareStatus(key), ...(key.failures === undefined ? {} : { failures: key.failures.count }) }

const stateInfo = (state: SeenState | undefined | null) =>
  state === undefined || state === null ? null : { ...state, seenAt: instantOf(state.seenAt) }

const presenceInfo = (presence: Connection | undefined) => {
  if (presence === undefined) return null
  const { since, lastSeen, ...known } = presence
  return {
    ...known,
    ...(since === undefined ? {} : { since: instantOf(since) }),
    ...(lastSeen === undefined ? {} : { lastSeen: instantOf(lastSeen) })
  }
}

const residentInfo = ({ phoneNumber: _, addedVersion: __, ...resident }: Resident) => resident
