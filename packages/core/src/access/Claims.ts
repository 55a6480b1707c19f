/**
 * A thing belongs to one lock at a time. Its claim is a record, changed in the write that creates a lock or changes its
 * thing, so of many who want the same thing, on whichever server, one gets it. Pure: what a claim is, and who may have one.
 */
import { Effect, Option, Schema } from "effect"
import type { Put, StoreUnavailable } from "../streams/EventStore.ts"
import { unreadable } from "../streams/Records.ts"
import { given } from "../values/given.ts"
import { isOrganization, type Principal } from "../values/Principal.ts"
import type { DeviceProof } from "./DeviceSecrets.ts"
import { canonicalThing } from "./Thing.ts"

/** Who has a thing, or had it. Stored: add optional fields, never rename or remove one. No claim: nobody ever had it. */
export const Claim = Schema.Struct({
  /** The lock that has it; none while it is free. Logs from before there were claims may hold several: a dispute. */
  lockIds: Schema.Array(Schema.Int),
  /**
   * The organization that had it last, with whichever lock; none, or `""`, when none ever had it. Claims that were written
   * before it was kept have it once they are free, and know only of the lock that had it then.
   */
  orgId: Schema.optionalKey(Schema.String)
})
export type Claim = typeof Claim.Type

/** The record of a thing's claim. Storage: never rename it. */
export const claimKey = (thing: string): string => `claim/${canonicalThing(thing)}`

/** Before the canonical name of each thing in dispute: the records by which disputes are found. Storage. */
export const DISPUTES = "dispute/"
/** That of one of them: the longest that a thing's name is written in. */
export const disputeKey = (thing: string): string => DISPUTES + canonicalThing(thing)

/** What an event says of a thing: a lock has it from now on, or no more, or is another organization's; `""` is none. */
export interface ClaimStep {
  readonly _tag: "Taken" | "Left" | "Passed"
  readonly thing: string
  readonly lockId: number
  /** That of the lock. */
  readonly orgId: string
}

/**
 * Total: every stored fact applies. The very claim that was given: nothing has changed. Which organization had a thing last
 * is not forgotten when a lock without one has it after that.
 */
export const claimAfter = (claim: Claim | undefined, { _tag, lockId, orgId }: ClaimStep): Claim | undefined => {
  const before = claim ?? nobody
  const isHolder = before.lockIds.includes(lockId)
  if (!isHolder && _tag !== "Taken") return claim
  const others = before.lockIds.filter((other) => other !== lockId)
  // Of several, the one that leaves says nothing of those that stay.
  const last = orgId === "" || (_tag === "Left" && others.length > 0) ? before.orgId : orgId
  if (isHolder && _tag !== "Left" && last === before.orgId) return claim
  const lockIds = _tag === "Left" ? others : isHolder ? before.lockIds : [...others, lockId]
  return { lockIds, ...given({ orgId: last }) }
}

const nobody: Claim = { lockIds: [] }

/** Whether several locks are on the thing: which of them is the intruder cannot be told from the log alone. */
export const isDisputed = (claim: Claim | undefined): boolean => claim !== undefined && claim.lockIds.length > 1

/** Whether another lock has the thing. */
export const isHeldByOther = (claim: Claim | undefined, lockId: number): boolean =>
  claim?.lockIds.some((holder) => holder !== lockId) ?? false

/** Whether users may claim things that nobody ever had (development), or never without proof. */
export type ClaimPolicy = "proof" | "open"

/**
 * Whether somebody may claim a thing that no lock has: those who prove that it is theirs; an organization, unless it was
 * another's before, or is said to be, or has secrets to prove it with; a user by proof alone, but for what `open` allows.
 */
export const mayClaim = (
  principal: Principal,
  claim: Claim | undefined,
  { isProven, hasProof, orgId: owner }: DeviceProof,
  policy: ClaimPolicy
): boolean => {
  if (isProven) return true
  switch (principal._tag) {
    case "Super":
    case "System":
      return true
    case "Organization": {
      const isOwn = (orgId: string | undefined) => isOrganization(principal, orgId)
      if (owner !== undefined) return isOwn(owner)
      const had = claim?.orgId ?? ""
      return isOwn(had) || (had === "" && !hasProof)
    }
    case "User":
      return policy === "open" && claim === undefined && owner === undefined && !hasProof
    case "Guest":
      return false
  }
}

/** What writes down a claim that was `before`. */
export const claimRecords = (
  thing: string,
  before: Claim | undefined,
  after: Claim
): { readonly put: ReadonlyArray<Put>; readonly remove: ReadonlyArray<string> } => {
  const dispute = disputeKey(thing)
  const [was, is] = [isDisputed(before), isDisputed(after)]
  return {
    put: [{ key: claimKey(thing), value: encode(after) }, ...(is && !was ? [{ key: dispute, value: "" }] : [])],
    remove: was && !is ? [dispute] : []
  }
}

const encode = Schema.encodeSync(Schema.fromJsonString(Claim))
const decode = Schema.decodeEffect(Schema.fromJsonString(Claim))

/** The claim that a record of the thing holds. */
export const claimIn = (
  thing: string,
  record: Option.Option<string>
): Effect.Effect<Claim | undefined, StoreUnavailable> =>
  Option.isNone(record)
    ? Effect.undefined
    : Effect.mapError(decode(record.value), (cause) => unreadable(claimKey(thing), cause))
