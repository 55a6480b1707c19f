/** What guests meet: pages and forms for browsers, JSON for apps. No sign-in is asked for beforehand: a key's link is one. */
import { CommandOutcome } from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { OpenQuery, whole } from "./Parts.ts"
import { problem } from "./Problem.ts"

const link = { uuid: Schema.String }

const page = <const Status extends number>(status: Status) =>
  Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html" }), HttpApiSchema.status(status))

const seeOther = HttpApiSchema.Empty(303)

const positive = Schema.String.check(Schema.isPattern(/^[1-9][0-9]{0,14}$/u, { expected: "a positive integer" })).pipe(
  Schema.decodeTo(Schema.NumberFromString)
)

/** Of a page that was shown before: the same one again opens nothing again. */
const Ticket = Schema.String.check(
  Schema.isPattern(/^[\w-]{22}(\.[\w-]{43})?$/u, { expected: "the ticket of a key's page" })
)
const opening = Schema.Struct({ ticket: Schema.optionalKey(Ticket) })
/** A JSON Web Token, as long as a cookie may be. */
const signingIn = Schema.Struct({
  token: Schema.String.check(
    Schema.isPattern(/^[\w-]+\.[\w-]+\.[\w-]+$/u, { expected: "a JSON Web Token" }),
    Schema.isMaxLength(3_800)
  )
})

/** The path at which it is told what became of the opening; as JSON to those who ask for JSON. */
const confirmation = Schema.String

/** In which language the page is; another word than those of the switch is left aside. */
const language = { lang: Schema.optionalKey(Schema.String) }

const errors = [problem(400), problem(401), problem(404), problem(500), problem(503)] as const

/**
 * A browser that has lost the page which answered a form, as phones do with those in the background, asks for the form's
 * own address: it is shown the key again, and nothing happens.
 */
const backToKey = { success: seeOther, error: [problem(400), problem(500)] } as const

const formErrors = [...errors, problem(413), problem(415)] as const

export const guests = HttpApiGroup.make("guests").add(
  HttpApiEndpoint.get("page", "/temp-keys/:uuid", {
    params: link,
    query: language,
    success: page(200),
    error: errors
  }).annotate(OpenQuery, true),
  HttpApiEndpoint.post("open", "/temp-keys/:uuid/open", {
    params: link,
    headers: { "idempotency-key": Schema.optionalKey(Schema.String) },
    payload: [opening.pipe(HttpApiSchema.asFormUrlEncoded()), opening],
    success: [
      seeOther,
      Schema.Struct({
        success: Schema.Literal(true),
        /** Whether the lock is disconnected: then it opens only if it comes back within seconds. */
        offline: Schema.Boolean,
        usedCount: Schema.Int,
        confirmation
      })
    ],
    error: [...formErrors, problem(403), problem(422), problem(429), problem(502)]
  }),
  HttpApiEndpoint.post("open-door", "/temp-keys/:uuid/doors/:doorId/open", {
    params: { ...link, doorId: positive },
    headers: { "idempotency-key": Schema.optionalKey(Schema.String) },
    payload: [opening.pipe(HttpApiSchema.asFormUrlEncoded()), opening],
    success: [
      seeOther,
      Schema.Struct({
        success: Schema.Literal(true),
        /** Whether the lock is disconnected: then it opens only if it comes back within seconds. */
        offline: Schema.Boolean,
        confirmation
      })
    ],
    error: [...formErrors, problem(403), problem(422), problem(429), problem(502)]
  }),
  HttpApiEndpoint.get("confirmation", "/temp-keys/:uuid/confirmation", {
    params: link,
    query: {
      door: Schema.optionalKey(positive),
      offline: Schema.optionalKey(Schema.String),
      /** The use that is confirmed: its version on the stream of its lock. */
      opened: Schema.optionalKey(positive),
      /** Seconds to wait for the lock to answer. */
      wait: Schema.optionalKey(whole(0, 30)),
      ...language
    },
    success: [
      Schema.Struct({
        /** `none`: nothing was opened. `superseded`: nobody waits for the lock's answer any more. */
        status: Schema.Literals(["none", "pending", ...CommandOutcome.literals, "superseded"]),
        openedAt: Schema.optionalKey(Schema.String),
        /** When the lock answered. */
        reportedAt: Schema.optionalKey(Schema.String),
        /** It does not count as a use of the key. */
        useReturned: Schema.optionalKey(Schema.Literal(true))
      }),
      page(200)
    ],
    error: errors
  }).annotate(OpenQuery, true),
  HttpApiEndpoint.get("calendar", "/temp-keys/:uuid/calendar.ics", {
    params: link,
    query: language,
    success: [Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/calendar" })), seeOther],
    error: errors
  }).annotate(OpenQuery, true),
  HttpApiEndpoint.get("back-from-open", "/temp-keys/:uuid/open", { params: link, ...backToKey }),
  HttpApiEndpoint.get("back-from-door", "/temp-keys/:uuid/doors/:doorId/open", {
    params: { ...link, doorId: Schema.String },
    ...backToKey
  }),
  HttpApiEndpoint.get("back-from-sign-in", "/temp-keys/:uuid/sign-in", { params: link, ...backToKey }),
  HttpApiEndpoint.post("sign-in", "/temp-keys/:uuid/sign-in", {
    params: link,
    payload: [signingIn.pipe(HttpApiSchema.asFormUrlEncoded()), signingIn],
    success: seeOther,
    error: formErrors
  })
)
