/**
 * The HTTP API, declared once: routes, validation, OpenAPI and the typed client all come from here. Imports nothing of
 * a server, so a browser can share it. Success shapes are those of the published contract (`contract/endpoints.json`).
 */
import {
  AccessMode,
  CommandOutcome,
  Key,
  LockId,
  MaxUses,
  Schedule,
  SentCommand,
  TempKeyStatus,
  Text,
  UuidText
} from "@latchkey/core"
import { Context, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { bulkAddKeys, commandRoutes } from "./commandRoutes.ts"
import { guests } from "./GuestApi.ts"
import { lock, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"
import { pins, sharedKeys } from "./SharedApi.ts"
import { why } from "./WhyApi.ts"

/** Every route but the operational ones needs an API key or a user's token. With both, the API key decides. */
export class Authentication extends HttpApiMiddleware.Service<Authentication>()("@latchkey/http/Authentication", {
  security: { apiKey: HttpApiSecurity.apiKey({ key: "X-API-Key" }), bearer: HttpApiSecurity.bearer },
  error: [problem(401), problem(429)]
}) {}

const text = Schema.optionalKey(Schema.String)
const questionErrors = [problem(400), problem(403), problem(404), problem(500), problem(503)] as const

const basicInfo = {
  id: Schema.String,
  lockId: LockId,
  uuid: Schema.String,
  version: Schema.Int,
  serialNumber: text,
  ownerId: text,
  organizationId: text,
  /** The id of the lock's stream. */
  r2Prefix: Schema.String
}
/** What only a temp key with a schedule carries: others are exactly as published. */
const onSchedule = {
  schedule: Schema.optionalKey(Schedule),
  /** When time alone next changes the status; `null` once it has expired. */
  nextChangeAt: Schema.optionalKey(Schema.NullOr(Schema.String))
}
/** A temp key in the list of a lock. */
export const ListedTempKey = Schema.Struct({
  uuid: Schema.String,
  lockId: LockId,
  lockUuid: Schema.String,
  accessMode: AccessMode,
  allowedUserIds: Schema.Array(Schema.String),
  validFrom: Schema.String,
  validUntil: Schema.String,
  maxUses: MaxUses,
  usedCount: Schema.Int,
  createdAt: Schema.String,
  createdBy: Schema.String,
  status: TempKeyStatus,
  ...onSchedule
})

const resident = { userId: Schema.String, name: Schema.String, email: text }

/** When it was requested, when the shadow accepted it, and from when on the lock no longer runs it. */
const sentCommand = {
  commandId: Schema.String,
  type: SentCommand.fields.type,
  requestedAt: Schema.String,
  acceptedAt: Schema.String,
  expiresAt: text
}

/** On endpoints whose published errors are a list: their errors then carry both the list and the usual fields. */
export const PublishesErrorList = Context.Reference<boolean>("@latchkey/http/PublishesErrorList", {
  defaultValue: () => false
})

const question = <const Path extends string, Success extends Schema.Top>(path: Path, success: Success) =>
  HttpApiEndpoint.get(path, `/locks/:id/${path}`, { params: lock, success, error: questionErrors })

const endpointsOf = ({ CreateLock, ...others }: typeof commandRoutes) =>
  HttpApiGroup.make("locks").add(CreateLock.endpoint, ...Object.values(others).map(({ endpoint }) => endpoint))

const locks = endpointsOf(commandRoutes).add(
  bulkAddKeys,
  question(
    "temp-keys",
    Schema.Struct({
      tempKeys: Schema.Array(ListedTempKey)
    })
  ),
  question(
    "details",
    Schema.Struct({
      ...basicInfo,
      keys: Schema.Array(Key),
      residents: Schema.Array(Schema.Struct(resident)),
      orgId: Schema.String,
      timestamp: Schema.String,
      /** Commands that the shadow accepted and the lock has not answered; beyond the published contract. */
      pendingCommands: Schema.Array(Schema.Struct(sentCommand)),
      /** The last commands that the lock has answered, newest last; beyond the published contract. */
      recentOutcomes: Schema.Array(
        Schema.Struct({ ...sentCommand, outcome: CommandOutcome, reportedAt: Schema.String, detail: text })
      )
    })
  ).annotate(PublishesErrorList, true),
  question("basic-info", Schema.Struct({ ...basicInfo, orgId: text })).annotate(PublishesErrorList, true),
  question(
    "residents",
    Schema.Struct({
      residents: Schema.Array(Schema.Struct({ ...resident, hasPhone: Schema.Boolean }))
    })
  ).annotate(PublishesErrorList, true),
  HttpApiEndpoint.get("events", "/locks/:id/events", {
    params: lock,
    query: { page: Schema.optionalKey(positive("a page number, from 1").pipe(Schema.decodeTo(Schema.Int))) },
    success: Schema.Struct({
      aggregateId: Schema.String,
      totalEvents: Schema.Int,
      page: Schema.Int,
      pageSize: Schema.Int,
      totalPages: Schema.Int,
      events: Schema.Array(
        Schema.Struct({
          aggregateType: Schema.Literal("lock"),
          aggregateId: Schema.String,
          version: Schema.Int,
          type: Schema.String,
          timestamp: Schema.String,
          orgId: Schema.String,
          event: Schema.optionalKey(Schema.Struct({ type: Schema.String, data: Schema.Unknown }))
        })
      )
    }),
    error: questionErrors
  }),
  HttpApiEndpoint.get("bulk-add-keys", "/locks/:id/BulkAddKeys/:instanceId", {
    params: { ...lock, instanceId: UuidText },
    success: Schema.Struct({
      success: Schema.Literal(true),
      lockId: Schema.Int,
      instanceId: Schema.String,
      status: Schema.Literals(["running", "done"]),
      total: Schema.Int,
      added: Schema.Int,
      failed: Schema.Array(Schema.Struct({ keyUuid: Schema.String, reason: Schema.String }))
    }),
    error: questionErrors
  })
)

const users = HttpApiGroup.make("users").add(
  HttpApiEndpoint.get("owned-locks", "/users/:id/owned-locks", {
    params: { id: Text },
    success: Schema.Struct({
      locks: Schema.Array(
        Schema.Struct({
          lockUuid: Schema.String,
          serialNumber: Schema.NullOr(Schema.String),
          thingName: Schema.NullOr(Schema.String),
          online: Schema.Boolean,
          keysCount: Schema.Int,
          residentCount: Schema.Int,
          lastEvent: Schema.NullOr(Schema.String),
          lastUpdated: Schema.NullOr(Schema.Number)
        })
      ),
      totalCount: Schema.Int,
      /** Which read model answered; `unavailable` while it does not. */
      source: Schema.String
    }),
    error: questionErrors
  }).annotate(PublishesErrorList, true)
)

export class Api extends HttpApi.make("latchkey")
  .add(locks.middleware(Authentication))
  .add(users.middleware(Authentication))
  .add(sharedKeys.middleware(Authentication))
  .add(pins)
  .add(why.middleware(Authentication))
  .add(guests)
  .annotate(OpenApi.Title, "Latchkey")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "Who may open this door now, who opened it, what was sent to the hardware, and why."
  ) {}
