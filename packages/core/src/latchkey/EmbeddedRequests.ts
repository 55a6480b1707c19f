/** What programs without Effect ask, decoded as over HTTP: what is not known is refused, unless the request is open. */
import { Effect, Schema, Struct } from "effect"
import { BrandRequest } from "../guest/Brands.ts"
import { NewLink } from "../lock/Link.ts"
import { LockId } from "../lock/Lock.ts"
import { CommandContext, LockRequest, Millis } from "../lock/LockCommand.ts"
import { rowOf } from "../lock/LockCommands.ts"
import { HistoryQuery } from "../locks/HistoryQuery.ts"
import { LocksQuery } from "../locks/LocksQuery.ts"
import { UserKeysQuery } from "../locks/UserKeysQuery.ts"
import { AttentionQuery } from "../partners/Attention.ts"
import { Subscription } from "../partners/Subscriber.ts"
import { EventsQuery, LiveType } from "../partners/Telling.ts"
import { WebhookChanges, WebhookRequest } from "../partners/Webhook.ts"
import { ChangeRequest, ShareRequest } from "../temp-key/SharedCredential.ts"
import { closedDecoder, issuesOf } from "../values/Closed.ts"
import { Asker } from "../values/Principal.ts"
import { Text } from "../values/Text.ts"
import { AttemptsQuery } from "../why/Attempts.ts"
import { ExplainRequest } from "../why/Explanations.ts"
import { type CommandInput, InvalidCommand } from "./Embedded.ts"
import { ApiKeyRequest } from "./ManagedApiKeys.ts"

const decodeWith = <A, I>(schema: Schema.Codec<A, I>, isOpen = false) => {
  const decode = closedDecoder(schema, isOpen)
  return (input: I): Effect.Effect<A, InvalidCommand> => Effect.mapError(decode(input), invalidCommand)
}

const invalidCommand = (error: Schema.SchemaError) =>
  new InvalidCommand({
    message: issuesOf(error)
      .map(({ path, message }) => (path.length === 0 ? message : `${message}\n  at ${path.map(String).join(".")}`))
      .join("\n")
  })

type Command = CommandContext & LockRequest

/** Of each type of command, with its context: what is asked of it says whether it is open. */
const decoders = new Map(
  Struct.keys(LockRequest.cases).map((tag) => {
    const whole: Schema.Struct<Schema.Struct.Fields> = Schema.Struct({
      ...CommandContext.fields,
      ...LockRequest.cases[tag].fields
    })
    // The tag says which command it is; TypeScript cannot follow that.
    return [tag, decodeWith(whole as unknown as Schema.Codec<Command, CommandInput>, rowOf(tag).open)]
  })
)
const decodeTag = decodeWith(Schema.Struct({ _tag: Schema.Literals(Struct.keys(LockRequest.cases)) }), true)

/** A command, by its own decoder; without one, for its tag alone. */
export const decode = (input: CommandInput): Effect.Effect<Command, InvalidCommand> =>
  decoders.get(input?._tag)?.(input) ??
  Effect.flatMap(decodeTag(input), () => Effect.die("a command without a decoder"))

const { lockId: _, ifVersion: __, ...askedBy } = CommandContext.fields
const Count = Schema.Int.check(Schema.isGreaterThan(0))
export const decodeShare = decodeWith(Schema.Struct({ ...askedBy, ...ShareRequest.fields, uuid: NewLink }))
export const decodeAttention = decodeWith(AttentionQuery)
export const decodeLocks = decodeWith(LocksQuery)
export const decodeUserKeys = decodeWith(UserKeysQuery)
export const decodeOfUser = decodeWith(Schema.Struct({ ...askedBy, userId: Text }))
export const decodeOnLock = decodeWith(Schema.Struct({ ...askedBy, lockId: LockId }))
export const decodeAsked = decodeWith(
  Schema.Struct({
    ...askedBy,
    uuid: Schema.String,
    doorId: Schema.optionalKey(Count),
    userId: Schema.optionalKey(Schema.String)
  })
)
const changedBy = { ...askedBy, ifVersion: CommandContext.fields.ifVersion }
export const decodeBy = decodeWith(Schema.Struct(askedBy))
export const decodeNamed = decodeWith(Schema.Struct({ ...changedBy, name: Schema.String }))
export const decodeLink = decodeWith(Schema.Struct({ ...changedBy, name: Schema.String, link: NewLink }))
export const decodeChange = decodeWith(Schema.Struct({ ...changedBy, name: Schema.String, ...ChangeRequest.fields }))
export const decodeNewApiKey = decodeWith(Schema.Struct({ ...askedBy, ...ApiKeyRequest.fields }))
export const decodeBrand = decodeWith(Schema.Struct({ ...askedBy, ...BrandRequest.fields }))
export const decodeOfKey = decodeWith(Schema.Struct({ ...askedBy, keyId: Schema.String }))
const Types = Schema.Array(Schema.Union([Schema.Literal("*"), LiveType])).check(Schema.isMinLength(1))
export const decodeNewWebhook = decodeWith(
  Schema.Struct({ ...WebhookRequest.fields, events: Schema.optionalKey(Types) })
)
export const decodeWebhookChanges = decodeWith(
  Schema.Struct({ ...WebhookChanges.fields, events: Schema.optionalKey(Types) })
)
export const decodeReplay = decodeWith(
  Schema.Union([
    Schema.Struct({ after: Schema.String, until: Schema.optional(Schema.String) }),
    Schema.Struct({ since: Millis, until: Schema.optional(Millis) })
  ])
)
export const decodeEvents = decodeWith(EventsQuery)
export const decodeSubscription = decodeWith(Subscription)
export const decodeAttempts = decodeWith(AttemptsQuery)
export const decodeHistory = decodeWith(HistoryQuery)
export const decodeExplain = decodeWith(ExplainRequest)
export const decodePin = decodeWith(
  Schema.Struct({
    ...askedBy,
    lockId: LockId,
    pin: Schema.String.check(Schema.isPattern(/^[0-9]{4,8}$/, { expected: "4 to 8 digits" })),
    networks: Schema.Array(Schema.String).check(Schema.isMinLength(1)),
    apiKey: Schema.optionalKey(Schema.String)
  }),
  true
)

/** Callers without types may ask anything: what is no question is refused before it reaches a store. */
export const asked = <A, E>(
  input: (typeof Question)["Encoded"],
  ask: () => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidCommand> => Effect.flatMap(decodeQuestion(input), ask)

const Question = Schema.Struct({
  principal: Schema.optionalKey(Asker),
  lockId: Schema.optionalKey(LockId),
  uuid: Schema.optionalKey(Schema.String),
  doorId: Schema.optionalKey(Count),
  version: Schema.optionalKey(Count),
  now: Schema.optionalKey(Millis),
  position: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  instanceId: Schema.optionalKey(Schema.String),
  userId: Schema.optionalKey(Schema.String),
  commandId: Schema.optionalKey(Schema.String),
  orgId: Schema.optionalKey(Schema.String),
  secret: Schema.optionalKey(Schema.String),
  /** Seconds. */
  wait: Schema.optionalKey(Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 3_600 })))
})
const decodeQuestion = decodeWith(Question)

/** Refuses what needs an option that `createLatchkey` was not given. */
export const needs = (what: string, option: string) =>
  Effect.fail(new InvalidCommand({ message: `${what}: give createLatchkey ${option}.` }))
