/** API keys of an organization, managed with one of them. Beyond the published contract. */
import { ApiKeyRequest, DateTime } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { headers } from "./Parts.ts"
import { problem } from "./Problem.ts"

const errors = [problem(400), problem(403), problem(500), problem(503)] as const

const apiKey = {
  /** No secret: it names the key. */
  id: Schema.String,
  name: Schema.NullOr(Schema.String),
  /** `null`: everything but to manage API keys. */
  scopes: Schema.NullOr(Schema.Array(Schema.String)),
  /** `null`: all locks of the organization. */
  locks: Schema.NullOr(Schema.Array(Schema.Int)),
  createdAt: Schema.String,
  expiresAt: Schema.NullOr(Schema.String),
  revokedAt: Schema.NullOr(Schema.String)
}

/** Whose keys are meant: only super keys name an organization that is not their own. */
const whose = { orgId: ApiKeyRequest.fields.orgId }

export const apiKeys = HttpApiGroup.make("api-keys").add(
  HttpApiEndpoint.get("api-keys", "/api-keys", {
    query: whose,
    success: Schema.Struct({
      /** The newest, oldest first; ended ones too. */
      apiKeys: Schema.Array(Schema.Struct(apiKey)),
      /** Whether there are older ones. */
      more: Schema.Boolean
    }),
    error: errors
  }),
  HttpApiEndpoint.post("create-api-key", "/api-keys", {
    headers,
    payload: Schema.Struct({ ...ApiKeyRequest.fields, expiresAt: Schema.optionalKey(DateTime) }),
    success: Schema.Struct({
      success: Schema.Literal(true),
      ...apiKey,
      /** The key itself: shown here and nowhere else; `null` when it was shown to the first try. */
      key: Schema.NullOr(Schema.String)
    }).pipe(HttpApiSchema.status(201)),
    error: [...errors, problem(413), problem(415), problem(422)]
  }),
  HttpApiEndpoint.delete("revoke-api-key", "/api-keys/:keyId", {
    params: { keyId: Schema.String },
    success: Schema.Struct({ success: Schema.Literal(true), ...apiKey }),
    error: [...errors, problem(404), problem(413)]
  })
)
