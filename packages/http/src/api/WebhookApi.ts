/** Webhooks of an organization: declared as `contract/partners.json` publishes them. */
import { Attempt, DateTime, LiveType, WebhookChanges, WebhookRequest } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { headers, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"

const errors = [problem(400), problem(403), problem(404), problem(500), problem(503)] as const
/** Of what takes no body. */
const bareErrors = [problem(409), problem(413), problem(422)] as const
const bodyErrors = [...bareErrors, problem(415)] as const

/** For super keys: whose webhook it is; the operator's own, who is told of all, unless given. */
const query = { orgId: Schema.optionalKey(Schema.NonEmptyString) }
const params = { id: Schema.String }

const Events = Schema.Array(Schema.Union([Schema.Literal("*"), LiveType])).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(100)
)

const shown = {
  id: Schema.String,
  url: Schema.String,
  events: Schema.Array(Schema.String),
  lockIds: Schema.NullOr(Schema.Array(Schema.Int)),
  description: Schema.NullOr(Schema.String),
  signature: Schema.Literals(["hmac", "ed25519"]),
  payload: Schema.Literals(["full", "thin"]),
  status: Schema.Literals(["pending", "active", "paused", "disabled"]),
  statusReason: Schema.NullOr(Schema.String),
  lag: Schema.Int,
  lastSuccessAt: Schema.NullOr(Schema.String),
  createdAt: Schema.String
}
const Webhook = Schema.Struct(shown)
const WithSecret = Schema.Struct({ ...shown, secret: Schema.String }).pipe(HttpApiSchema.status(201))
const Done = Schema.Struct({ success: Schema.Literal(true) })

const payload = Schema.Struct({ ...WebhookRequest.fields, events: Schema.optionalKey(Events) })

const isInstant = Schema.is(DateTime)

/** What is sent again: from a cursor on, or from an instant on. */
const Replay = Schema.Struct({
  after: Schema.optionalKey(Schema.String),
  since: Schema.optionalKey(DateTime),
  /** A cursor or an instant, as the beginning is. */
  until: Schema.optionalKey(Schema.String)
}).check(
  Schema.makeFilter(({ after, since, until }) => {
    if ((after === undefined) === (since === undefined))
      return { path: ["after"], issue: "Name one of after (a cursor) and since (an instant)" }
    return since === undefined || until === undefined || isInstant(until)
      ? undefined
      : { path: ["until"], issue: "Expected a date-time, as since is" }
  })
)

/** A command at one webhook, without a body that says anything. */
const command = <const Name extends string, Success extends Schema.Top>(name: Name, success: Success) =>
  HttpApiEndpoint.post(name, `/webhooks/:id/${name}`, {
    params,
    query,
    headers,
    success,
    error: [...errors, ...bareErrors]
  })

export const webhooks = HttpApiGroup.make("webhooks").add(
  HttpApiEndpoint.post("create", "/webhooks", {
    query,
    headers,
    payload,
    success: WithSecret,
    error: [...errors, ...bodyErrors]
  }),
  HttpApiEndpoint.post("create-for", "/tenants/:orgId/webhooks", {
    params: { orgId: Schema.String },
    headers,
    payload,
    success: WithSecret,
    error: [...errors, ...bodyErrors]
  }),
  HttpApiEndpoint.get("list", "/webhooks", {
    query,
    success: Schema.Struct({ webhooks: Schema.Array(Webhook) }),
    error: errors
  }),
  HttpApiEndpoint.get("get", "/webhooks/:id", { params, query, success: Webhook, error: errors }),
  HttpApiEndpoint.patch("change", "/webhooks/:id", {
    params,
    query,
    headers,
    payload: Schema.Struct({ ...WebhookChanges.fields, events: Schema.optionalKey(Events) }),
    success: Webhook,
    error: [...errors, ...bodyErrors]
  }),
  HttpApiEndpoint.delete("delete", "/webhooks/:id", {
    params,
    query,
    success: Done,
    error: [...errors, problem(413)]
  }),
  command("rotate-secret", Schema.Struct({ secret: Schema.String, previousUntil: Schema.String })),
  command("enable", Webhook),
  command("disable", Webhook),
  command(
    "test",
    Schema.Struct({
      delivered: Schema.Boolean,
      status: Schema.NullOr(Schema.Int),
      durationMs: Schema.Int,
      /** Its first 1,000 characters; where there was none, why. */
      response: Schema.String
    })
  ),
  HttpApiEndpoint.post("replay", "/webhooks/:id/replay", {
    params,
    query,
    headers,
    payload: Replay,
    success: Schema.Struct({ replayId: Schema.String }).pipe(HttpApiSchema.status(202)),
    error: [...errors, ...bodyErrors, problem(429)]
  }),
  HttpApiEndpoint.get("deliveries", "/webhooks/:id/deliveries", {
    params,
    query: {
      ...query,
      outcome: Schema.optionalKey(Attempt.fields.outcome),
      /** The `nextBefore` of a page before. */
      before: Schema.optionalKey(positive("a positive integer"))
    },
    success: Schema.Struct({ deliveries: Schema.Array(Attempt), nextBefore: Schema.NullOr(Schema.Int) }),
    error: errors
  }),
  HttpApiEndpoint.post("retry", "/webhooks/:id/deliveries/:eventId/retry", {
    params: { ...params, eventId: Schema.String },
    query,
    headers,
    success: Schema.Struct({ replayId: Schema.String }).pipe(HttpApiSchema.status(202)),
    error: [...errors, ...bareErrors, problem(429)]
  }),
  HttpApiEndpoint.delete("dismiss", "/webhooks/:id/deliveries/:eventId", {
    params: { ...params, eventId: Schema.String },
    query,
    success: Done,
    error: [...errors, problem(413)]
  })
)
