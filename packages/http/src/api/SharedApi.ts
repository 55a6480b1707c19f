/** Keys to several doors, and the PINs that they may have: declared as the contract publishes them. */
import {
  AccessMethod,
  AccessMode,
  ChangeRequest,
  MaxUses,
  MOST_LISTED,
  NewLink,
  Schedule,
  ShareRequest,
  TempKeyStatus
} from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { commandHeaders, headers, ifMatch, lock, Open, positive, severalOf, Tagged } from "./Parts.ts"
import { problem, UnauthorizedError } from "./Problem.ts"

const errors = [problem(403), problem(404), problem(500), problem(503)] as const
const bodyErrors = [problem(400), problem(413), problem(415), problem(422)] as const

/** The link is drawn by the server unless one is given. */
const NewTempKey = Schema.Struct({ ...ShareRequest.fields, uuid: Schema.optionalKey(NewLink) })

const doors = Schema.Array(
  Schema.Struct({
    id: Schema.Int,
    lockId: Schema.String,
    lockUuid: Schema.String,
    label: Schema.NullOr(Schema.String),
    accessMethod: AccessMethod
  })
)

const Status = Schema.Literals([...TempKeyStatus.literals, "deleted"])
const MOST_IDS = 100
const Limit = Schema.Int.check(
  Schema.isLessThanOrEqualTo(MOST_LISTED, { expected: `a number of keys, at most ${MOST_LISTED}` })
)

/** A temp key as those see it who may give it away; what is beyond the published fields of `link` is additive. */
const link = {
  /** Names the key for good and is no secret; every path of this group takes it, and the link. */
  id: Schema.String,
  uuid: Schema.String,
  url: Schema.String,
  validFrom: Schema.String,
  validUntil: Schema.String,
  accessMode: AccessMode,
  allowedUserIds: Schema.Array(Schema.String),
  maxUses: MaxUses,
  usedCount: Schema.Int,
  schedule: Schema.NullOr(Schedule),
  status: Status,
  /** It opens nothing until it is resumed. */
  suspended: Schema.Boolean,
  /** The page of its link shows its PIN, too, to who may use it now. */
  showPin: Schema.Boolean,
  /** When time alone next changes the status; `null`: never. */
  nextChangeAt: Schema.NullOr(Schema.String),
  /** What `If-Match` names of it: of a lock's own key that of the lock, else its own, which a use does not change. */
  version: Schema.Int
}

const listed = {
  ...link,
  description: Schema.NullOr(Schema.String),
  createdBy: Schema.String,
  createdAt: Schema.String,
  revokedAt: Schema.NullOr(Schema.String),
  doors
}

/** A command to a key answers the key as it is then. */
const changed = Schema.Struct({
  success: Schema.Literal(true),
  ...listed,
  /** Where the command has set one: shown here and nowhere else. */
  pin: Schema.NullOr(Schema.String)
})

const key = { uuid: Schema.String }
/** Of what takes no body. */
const bareErrors = [...errors, problem(400), problem(409), problem(412), problem(413), problem(422)] as const
const changeErrors = [...bareErrors, problem(415)] as const

export const sharedKeys = HttpApiGroup.make("temp-keys").add(
  HttpApiEndpoint.post("share", "/temp-keys", {
    headers,
    payload: NewTempKey,
    success: Schema.Struct({
      success: Schema.Literal(true),
      ...link,
      doors,
      /** Shown here and nowhere else; `null` when no door takes one. */
      pin: Schema.NullOr(Schema.String)
    }).pipe(HttpApiSchema.status(201)),
    error: [...errors, problem(409), ...bodyErrors]
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.get("list", "/temp-keys", {
    query: {
      lockId: Schema.optionalKey(Schema.String),
      /** One status, or several with commas between. */
      status: Schema.optionalKey(severalOf(Status, Status.literals.length, "statuses with commas between")),
      /** These alone, by id, with commas between: 100 at most. */
      ids: Schema.optionalKey(severalOf(Schema.String, MOST_IDS, "ids with commas between")),
      limit: Schema.optionalKey(positive(`a number of keys, at most ${MOST_LISTED}`).pipe(Schema.decodeTo(Limit))),
      cursor: Schema.optionalKey(Schema.String)
    },
    success: Schema.Struct({
      tempKeys: Schema.Array(Schema.Struct(listed)),
      /** Whether there may be others: from `nextCursor` on. */
      more: Schema.Boolean,
      nextCursor: Schema.NullOr(Schema.String)
    }),
    error: [problem(400), ...errors]
  }),
  HttpApiEndpoint.patch("change", "/temp-keys/:uuid", {
    params: key,
    headers: ifMatch,
    payload: ChangeRequest,
    success: changed,
    error: changeErrors
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.post("suspend", "/temp-keys/:uuid/suspend", {
    params: key,
    headers: commandHeaders,
    success: changed,
    error: bareErrors
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.post("resume", "/temp-keys/:uuid/resume", {
    params: key,
    headers: commandHeaders,
    success: changed,
    error: bareErrors
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.post("new-link", "/temp-keys/:uuid/new-link", {
    params: key,
    headers: commandHeaders,
    payload: Schema.Struct({ uuid: Schema.optionalKey(NewLink) }),
    success: changed,
    error: changeErrors
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.post("reissue-pin", "/temp-keys/:uuid/reissue-pin", {
    params: key,
    headers: commandHeaders,
    success: changed,
    error: bareErrors
  }).annotate(Tagged, "tagged"),
  HttpApiEndpoint.delete("revoke", "/temp-keys/:uuid", {
    params: key,
    headers: ifMatch,
    success: Schema.Struct({ success: Schema.Literal(true) }),
    error: [...errors, problem(400), problem(412), problem(413)]
  })
)

/** The PIN is the permission: nobody needs to sign in. Who does so with an API key is told apart from strangers. */
export const pins = HttpApiGroup.make("pins").add(
  HttpApiEndpoint.post("open-with-pin", "/locks/:id/open-with-pin", {
    params: lock,
    headers,
    payload: Schema.Struct({
      pin: Schema.String.check(Schema.isPattern(/^[0-9]{4,8}$/u, { expected: "4 to 8 digits" }))
    }),
    success: Schema.Struct({
      success: Schema.Literal(true),
      /** Whether the lock is disconnected: then it opens only if it comes back within seconds. */
      offline: Schema.Boolean
    }),
    error: [problem(401), problem(429), problem(500), problem(502), problem(503), ...bodyErrors]
  })
    .annotate(UnauthorizedError, "Invalid PIN")
    .annotate(Open, true)
)
