/** Keys to several doors, and the PINs that they may have: declared as the contract publishes them. */
import { AccessMethod, ShareRequest } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { headers, lock } from "./Parts.ts"
import { problem, UnauthorizedError } from "./Problem.ts"

const errors = [problem(403), problem(404), problem(500), problem(503)] as const
const bodyErrors = [problem(400), problem(413), problem(415), problem(422)] as const

const doors = Schema.Array(
  Schema.Struct({
    id: Schema.Int,
    lockId: Schema.String,
    lockUuid: Schema.String,
    label: Schema.NullOr(Schema.String),
    accessMethod: AccessMethod
  })
)

const link = { uuid: Schema.String, url: Schema.String, validFrom: Schema.String, validUntil: Schema.String }

export const sharedKeys = HttpApiGroup.make("temp-keys").add(
  HttpApiEndpoint.post("share", "/temp-keys", {
    headers,
    payload: ShareRequest,
    success: Schema.Struct({
      success: Schema.Literal(true),
      ...link,
      doors,
      /** Shown here and nowhere else; `null` when no door takes one. */
      pin: Schema.NullOr(Schema.String)
    }).pipe(HttpApiSchema.status(201)),
    error: [...errors, ...bodyErrors]
  }),
  HttpApiEndpoint.get("list", "/temp-keys", {
    query: { lockId: Schema.optionalKey(Schema.String) },
    success: Schema.Struct({
      tempKeys: Schema.Array(
        Schema.Struct({
          ...link,
          description: Schema.NullOr(Schema.String),
          createdBy: Schema.String,
          createdAt: Schema.String,
          revokedAt: Schema.NullOr(Schema.String),
          doors
        })
      )
    }),
    error: errors
  }),
  HttpApiEndpoint.delete("revoke", "/temp-keys/:uuid", {
    params: { uuid: Schema.String },
    success: Schema.Struct({ success: Schema.Literal(true) }),
    error: errors
  })
)

/** The PIN is the permission: nobody needs to sign in. Who does so with an API key is told apart from strangers. */
export const pins = HttpApiGroup.make("pins").add(
  HttpApiEndpoint.post("open-with-pin", "/locks/:id/open-with-pin", {
    params: lock,
    headers,
    payload: Schema.Struct({
      pin: Schema.String.check(Schema.isPattern(/^[0-9]{4,8}$/, { expected: "4 to 8 digits" }))
    }),
    success: Schema.Struct({
      success: Schema.Literal(true),
      /** Whether the lock is disconnected: then it opens only if it comes back within seconds. */
      offline: Schema.Boolean
    }),
    error: [problem(401), problem(429), problem(500), problem(502), problem(503), ...bodyErrors]
  }).annotate(UnauthorizedError, "Invalid PIN")
)
