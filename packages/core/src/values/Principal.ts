/** Who asks. Comes in with every command and question, and is kept with every event. */
import { Schema } from "effect"
import { Limits } from "./Limits.ts"
import { Text } from "./Text.ts"

const keyAndUser = {
  userId: Schema.optionalKey(Schema.String),
  /** Keys that the operator configured have no ids. */
  keyId: Schema.optionalKey(Schema.String),
  /** What the key is limited to. Not kept with events: what an organization has given does not rest on one of its keys. */
  limits: Schema.optionalKey(Limits)
}

/** Who asks; kept with every event. */
export const Principal = Schema.TaggedUnion({
  /** A signed-in user; `userId` is the subject of their token. */
  User: { userId: Schema.String },
  /** An organization, by the API key with this id, which is no secret; `userId` is the user who was signed in beside it. */
  Organization: { orgId: Schema.String, ...keyAndUser },
  /** The operator, by super key. */
  Super: keyAndUser,
  /** Somebody without a name, who has the link of a temp key. */
  Guest: {},
  /** Latchkey itself: recovery and background work. */
  System: {}
})
export type Principal = typeof Principal.Type

/** A principal as it is shown: to those whose time it was not, only what kind of somebody it was. */
export type ShownPrincipal = Principal | { readonly _tag: Principal["_tag"] }

const isText = Schema.is(Text)

/** Somebody who asks now: with names that every store can keep. What is stored loads as it is. */
export const Asker = Principal.check(
  Schema.makeFilter(
    (principal) =>
      Object.values(principal).every((value) => typeof value !== "string" || isText(value)) ||
      "must have names without NUL characters, in Unicode"
  )
)

/**
 * Whether the principal is this user. Who somebody is, is decided by kind and id together: a user may be called as an
 * organization is, or `*`. The empty id is nobody's: it is what SetOwner and SetOrganization leave when there is none.
 */
export const isUser = (principal: Principal, userId: string | undefined): boolean =>
  principal._tag === "User" && userId !== "" && principal.userId === userId

/** Whether the principal is this organization; see `isUser`. */
export const isOrganization = (principal: Principal, orgId: string | undefined): boolean =>
  principal._tag === "Organization" && orgId !== "" && principal.orgId === orgId

/** What the principal's API key is limited to; `undefined`: to nothing. */
export const limitsOf = (principal: Principal): Limits | undefined =>
  "limits" in principal ? principal.limits : undefined

/** The principal as events keep it: what their key is limited to was judged before. */
export const recorded = (principal: Principal): Principal => {
  if (!("limits" in principal)) return principal
  const { limits: _, ...who } = principal
  return who
}

/** The principal whatever key they came with: an organization is one with all its API keys. */
export const withoutKey = (principal: Principal): Principal => {
  const named = recorded(principal)
  if (!("keyId" in named)) return named
  const { keyId: _, ...who } = named
  return who
}

/** Tells principals apart by kind and id: a user is one whatever they came with, an organization with all its API keys. */
export const nameOf = (principal: Principal): string => {
  switch (principal._tag) {
    case "User":
      return `user ${principal.userId}`
    case "Organization":
      return `organization ${principal.orgId}`
    default:
      return principal._tag
  }
}
