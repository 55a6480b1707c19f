/** The keys that a user holds: where, and all of them removed. Beyond the published contract. Imports nothing of a server. */
import { Text, userKeysFields } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint } from "effect/http-api"
import { namedKey, removedKeys } from "./commandRoutes.ts"
import { headers, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"

const params = { id: Text }
const errors = [problem(400), problem(403), problem(500), problem(503)] as const

export const userKeys = HttpApiEndpoint.get("keys", "/users/:id/keys", {
  params,
  query: Schema.Struct({
    ...userKeysFields,
    limit: Schema.optionalKey(positive("a number of keys").pipe(Schema.decodeTo(userKeysFields.limit.schema)))
  }),
  success: Schema.Struct({
    keys: Schema.Array(Schema.Struct({ lockId: Schema.Int, ...namedKey })),
    /** Where to go on; `null`: this was all. */
    nextCursor: Schema.NullOr(Schema.String)
  }),
  error: errors
})

export const removeUserKeys = HttpApiEndpoint.delete("remove-keys", "/users/:id/keys", {
  params,
  headers,
  // A filter that is not there would remove more than was meant.
  query: Schema.Record(Schema.String, Schema.Never.annotate({ message: "This path takes no filter. Leave it out" })),
  success: Schema.Struct({
    success: Schema.Literal(true),
    locks: Schema.Array(Schema.Struct({ lockId: Schema.Int, ...removedKeys })),
    /** There were more keys than one request takes: ask again. */
    more: Schema.Boolean
  }),
  error: [...errors, problem(413), problem(422)]
})
