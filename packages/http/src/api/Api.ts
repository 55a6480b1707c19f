/**
 * The HTTP API, declared once: routes, validation, OpenAPI and the typed client all come from here. Imports nothing of
 * a server, so a browser can share it. Success shapes are those of the published contract (`contract/endpoints.json`).
 */
import {
  AbsenceReason,
  AccessMode,
  CommandOutcome,
  HardwareStatus,
  Key,
  LockDescription,
  LockId,
  MaxUses,
  Schedule,
  SeenState,
  SentCommand,
  TempKeyStatus,
  Text,
  tempKeysFields,
  UuidText
} from "@latchkey/core"
import { Context, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { apiKeys } from "./ApiKeysApi.ts"
import { brand } from "./BrandApi.ts"
import { bulkAddKeys, commandRoutes, removeInheritedKeys } from "./commandRoutes.ts"
import { described } from "./describe.ts"
import { guests } from "./GuestApi.ts"
import { auditCsv, auditNdjson, events } from "./HistoryApi.ts"
import { lists } from "./ListsApi.ts"
import { partnerEvents } from "./PartnerEventsApi.ts"
import { lock, positive, Tagged, whole } from "./Parts.ts"
import { problem } from "./Problem.ts"
import { pins, sharedKeys } from "./SharedApi.ts"
import { removeUserKeys, userKeys } from "./UserKeysApi.ts"
import { webhooks } from "./WebhookApi.ts"
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
  /** Names the key for good and is no secret, as its uuid is. */
  id: Schema.String,
  description: text,
  /** It opens nothing until it is resumed. */
  suspended: Schema.optionalKey(Schema.Literal(true)),
  /** Only of a key whose giver may no longer give it, since the lock has changed hands: it is valid again when they may. */
  withdrawn: Schema.optionalKey(Schema.Literal(true)),
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

/** What the lock has said of itself and its door; instants are when its shadow was told. */
const deviceState = Schema.Struct({ ...SeenState.fields, seenAt: Schema.String })

/** A key for which hardware may still open. */
const exposedKey = {
  keyUuid: Schema.String,
  keyIndexNumber: Schema.optionalKey(Schema.Int),
  exposedSince: Schema.String,
  /** The lock has said that it holds the key; else nobody knows. */
  confirmed: Schema.Boolean,
  status: HardwareStatus,
  failures: Schema.optionalKey(Schema.Int)
}

/** Whether the device is connected, since when, and why not where that is known. Beyond the published contract. */
const presence = Schema.NullOr(
  Schema.Struct({
    online: Schema.Boolean,
    /** Of a `silent` one, when it was last heard. */
    since: text,
    reason: Schema.optionalKey(AbsenceReason),
    /** When it last reported something, came or went. */
    lastSeen: text
  })
)

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
  removeInheritedKeys,
  HttpApiEndpoint.get("temp-keys", "/locks/:id/temp-keys", {
    params: lock,
    query: {
      ...tempKeysFields,
      limit: Schema.optionalKey(positive("a number of keys").pipe(Schema.decodeTo(tempKeysFields.limit.schema)))
    },
    success: Schema.Struct({
      tempKeys: Schema.Array(ListedTempKey),
      /** Where keys to several doors are listed that have one at this lock; `null`: there are none. */
      severalDoors: Schema.NullOr(Schema.String),
      /** Whether there are others, from `nextCursor` on; beyond the published contract. */
      more: Schema.Boolean,
      nextCursor: Schema.NullOr(Schema.String)
    }),
    error: questionErrors
  }).annotate(Tagged, "tagged"),
  question(
    "details",
    Schema.Struct({
      ...basicInfo,
      /** `inherited`: its giver may no longer give it, since the lock has changed hands; beyond the published contract. */
      keys: Schema.Array(
        Schema.Struct({
          ...Key.fields,
          inherited: Schema.optionalKey(Schema.Literal(true)),
          /** What the lock has said of the key. */
          hardware: Schema.Struct({ status: HardwareStatus, failures: Schema.optionalKey(Schema.Int) })
        })
      ),
      residents: Schema.Array(Schema.Struct(resident)),
      orgId: Schema.String,
      timestamp: Schema.String,
      /** Commands that the shadow accepted and the lock has not answered; beyond the published contract. */
      pendingCommands: Schema.Array(Schema.Struct(sentCommand)),
      /** The last commands that the lock has answered, newest last; beyond the published contract. */
      recentOutcomes: Schema.Array(
        Schema.Struct({ ...sentCommand, outcome: CommandOutcome, reportedAt: Schema.String, detail: text })
      ),
      /** `null` until the lock has said something; beyond the published contract. */
      deviceState: Schema.NullOr(deviceState),
      /** `null` while nobody can tell. */
      presence,
      /** What those who have the lock have said of it; beyond the published contract. */
      description: Schema.Struct(LockDescription.fields),
      /** What the hardware holds beside `keys`; beyond the published contract. */
      hardware: Schema.Struct({
        /** Keys that nobody had asked for here. */
        foreign: Schema.Array(
          Schema.Struct({
            keyUuid: Schema.String,
            keyIndexNumber: Schema.optionalKey(Schema.Int),
            since: Schema.String,
            status: HardwareStatus
          })
        ),
        /** It was another lock's, or may have been, and has not said yet what it holds. */
        mayHoldOthers: Schema.Boolean
      })
    })
  )
    .annotate(PublishesErrorList, true)
    .annotate(Tagged, "conditional"),
  question(
    "exposure",
    Schema.Struct({
      lockId: LockId,
      /** Keys for which the hardware may still open, though it should not. */
      keys: Schema.Array(
        Schema.Struct({
          /** `inherited`: its giver may no longer give it, since the lock has changed hands. `foreign`: nobody had asked for it. */
          reason: Schema.Literals(["removed", "inherited", "foreign"]),
          ...exposedKey
        })
      ),
      /** What stayed, or may have, on the hardware that the lock had before: that may still open for it, wherever it is now. */
      left: Schema.Array(
        Schema.Struct({
          thing: Schema.String,
          ...exposedKey
        })
      )
    })
  ),
  question(
    "presence",
    Schema.Struct({
      lockId: LockId,
      /** Newest first: from when on the device was there, or gone. */
      changes: Schema.Array(
        Schema.Struct({
          online: Schema.Boolean,
          since: Schema.String,
          reason: Schema.optionalKey(AbsenceReason)
        })
      )
    })
  ),
  question("basic-info", Schema.Struct({ ...basicInfo, orgId: text }))
    .annotate(PublishesErrorList, true)
    .annotate(Tagged, "conditional"),
  question(
    "residents",
    Schema.Struct({
      residents: Schema.Array(Schema.Struct({ ...resident, hasPhone: Schema.Boolean }))
    })
  )
    .annotate(PublishesErrorList, true)
    .annotate(Tagged, "conditional"),
  events,
  HttpApiEndpoint.get("command", "/locks/:id/commands/:commandId", {
    params: { ...lock, commandId: Text },
    /** Seconds to wait for the lock to answer. */
    query: { wait: Schema.optionalKey(whole(0, 30)) },
    success: Schema.Struct({
      success: Schema.Literal(true),
      lockId: LockId,
      ...sentCommand,
      /** Missing while a removal of a key was not sent to the lock yet. */
      acceptedAt: text,
      /** `superseded`: nobody waits for an answer any more, as the lock has other hardware, or too many newer commands. */
      status: Schema.Literals(["pending", ...CommandOutcome.literals, "superseded"]),
      reportedAt: text,
      detail: text,
      /** `false`: the lock says that it never began. */
      began: Schema.optionalKey(Schema.Boolean),
      /** The use of the temp key that it came with does not count. */
      useReturned: Schema.optionalKey(Schema.Literal(true))
    }),
    error: questionErrors
  }),
  auditCsv,
  auditNdjson,
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
          lastUpdated: Schema.NullOr(Schema.Finite),
          /** `null` until the lock has said something; beyond the published contract. */
          deviceState: Schema.NullOr(deviceState),
          /** `null` while nobody can tell; then `online` is `false`. */
          presence,
          /** What those who have the lock have said of it; beyond the published contract. */
          name: text,
          address: text,
          timeZone: text
        })
      ),
      totalCount: Schema.Int,
      /** Which read model answered; `unavailable` while it does not. */
      source: Schema.String
    }),
    error: questionErrors
  }).annotate(PublishesErrorList, true),
  userKeys,
  removeUserKeys
)

const api = HttpApi.make("latchkey")
  .add(locks.middleware(Authentication))
  .add(users.middleware(Authentication))
  .add(lists.middleware(Authentication))
  .add(sharedKeys.middleware(Authentication))
  .add(pins)
  .add(apiKeys.middleware(Authentication))
  .add(brand.middleware(Authentication))
  .add(why.middleware(Authentication))
  .add(partnerEvents.middleware(Authentication))
  .add(webhooks.middleware(Authentication))
  .add(guests)
  .annotate(OpenApi.Title, "Latchkey")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(OpenApi.Description, "Who may open this door now, who opened it, what was sent to the hardware, and why.")
  .annotate(OpenApi.License, { name: "Apache-2.0", identifier: "Apache-2.0" } as OpenApi.OpenAPISpecLicense)

/** The whole API: what is served, described and called. */
export class Api extends api.annotate(OpenApi.Transform, described(api)) {}
