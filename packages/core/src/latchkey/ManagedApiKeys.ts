/** API keys of an organization, managed with one of them, or by the operator: who may, the access policy says. */
import { Effect, Result, Schema } from "effect"
import {
  type ApiKey,
  ApiKeyNotFound,
  ApiKeys,
  type ApiKeysChanged,
  type AskedForKeys,
  OPERATOR,
  type TooManyApiKeys
} from "../access/ApiKeys.ts"
import { permitApiKey, permitApiKeys } from "../lock/AccessPolicy.ts"
import { LockId } from "../lock/Lock.ts"
import { Millis } from "../lock/LockCommand.ts"
import type { AccessDenied } from "../lock/LockError.ts"
import type { StoreUnavailable } from "../streams/EventStore.ts"
import type { ReceiptReused } from "../streams/Receipts.ts"
import { type Limits, Scope } from "../values/Limits.ts"
import type { Principal } from "../values/Principal.ts"

const atMost = (most: number, what: string) => Schema.isMaxLength(most, { expected: `at most ${most} ${what}` })

/** With its prefix it is the id of a stream. */
const Organization = Schema.String.check(Schema.isMaxLength(242))
const Name = Schema.String.check(
  Schema.isPattern(/^[^\p{Cc}]+$/u, { expected: "a name in one line" }),
  atMost(200, "characters")
)

/** What a new API key is for. */
export const ApiKeyRequest = Schema.Struct({
  /** Super keys name the organization. */
  orgId: Schema.optionalKey(Organization),
  name: Schema.optionalKey(Name),
  scopes: Schema.NonEmptyArray(Scope).check(atMost(20, "scopes")),
  /** Those that it is for; all of the organization's unless given. */
  locks: Schema.optionalKey(Schema.NonEmptyArray(LockId).check(atMost(500, "locks"))),
  /** Epoch milliseconds. */
  expiresAt: Schema.optionalKey(Millis)
})
export type ApiKeyRequest = typeof ApiKeyRequest.Type

/** Why API keys are not managed. */
export type ApiKeyRefused =
  | AccessDenied
  | ApiKeyNotFound
  | ApiKeysChanged
  | TooManyApiKeys
  | ReceiptReused
  | StoreUnavailable

/** The keys that somebody may see; of those who may not manage any, nothing is told. */
export const managedApiKeys = Effect.map(ApiKeys, (apiKeys) => ({
  /** Ended ones too, oldest first. */
  list: Effect.fnUntraced(function* (
    principal: Principal,
    orgId?: string
  ): Effect.fn.Return<ReadonlyArray<ApiKey>, ApiKeyRefused> {
    const whose = yield* Effect.fromResult(permitApiKeys(principal, orgId))
    return (yield* apiKeys.of(whose)).filter((key) => maySee(principal, key))
  }),
  /** Without its secret on a retry: that is shown once. */
  create: Effect.fnUntraced(function* (
    { orgId, name, scopes, locks, expiresAt }: ApiKeyRequest,
    asked: AskedForKeys
  ): Effect.fn.Return<{ readonly key: ApiKey; readonly secret: string | undefined }, ApiKeyRefused> {
    const { principal } = asked
    const whose = yield* Effect.fromResult(permitApiKeys(principal, orgId))
    const limits: Limits = { scopes: [...new Set(scopes)], ...(locks && { locks: [...new Set(locks)] }) }
    yield* Effect.fromResult(permitApiKey(principal, limits))
    const options = { limits, ...(name !== undefined && { name }), ...(expiresAt !== undefined && { expiresAt }) }
    return yield* apiKeys.issue(whose, options, asked)
  }),
  /** Revoking once more changes nothing. */
  revoke: Effect.fnUntraced(function* (keyId: string, asked: AskedForKeys): Effect.fn.Return<ApiKey, ApiKeyRefused> {
    const { principal } = asked
    const named = principal._tag === "Super" ? yield* Effect.map(apiKeys.find(keyId), ({ orgId }) => orgId) : undefined
    // Keys of the operator are managed on the command line: here there are none.
    if (named === OPERATOR) return yield* Effect.fail(new ApiKeyNotFound({ keyId }))
    const whose = yield* Effect.fromResult(permitApiKeys(principal, named))
    const key = yield* apiKeys.find(keyId)
    if (key.orgId !== whose || !maySee(principal, key)) return yield* Effect.fail(new ApiKeyNotFound({ keyId }))
    return yield* apiKeys.revoke(keyId, asked)
  })
}))

const maySee = (principal: Principal, { limits = {} }: ApiKey): boolean =>
  Result.isSuccess(permitApiKey(principal, limits))
