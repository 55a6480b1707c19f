/** Whose guests' pages are: the brand of an organization. Beyond the published contract. */
import { BrandRequest } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { problem } from "./Problem.ts"

const errors = [problem(400), problem(403), problem(500), problem(503)] as const

/** Whose brand is meant: only super keys name an organization that is not their own. */
const query = { orgId: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(242))) }

const shown = Schema.Struct({
  /** `null`, as everything else: the pages are as the operator has set them. */
  name: Schema.NullOr(Schema.String),
  color: Schema.NullOr(Schema.String),
  /** A PNG, in base64. */
  logo: Schema.NullOr(Schema.String)
})

export const brand = HttpApiGroup.make("brand").add(
  HttpApiEndpoint.get("get", "/brand", { query, success: shown, error: errors }),
  HttpApiEndpoint.put("set", "/brand", {
    query,
    payload: BrandRequest,
    success: shown,
    error: [...errors, problem(413), problem(415)]
  }),
  HttpApiEndpoint.delete("remove", "/brand", {
    query,
    success: Schema.Struct({ success: Schema.Literal(true) }),
    error: [...errors, problem(413)]
  })
)
