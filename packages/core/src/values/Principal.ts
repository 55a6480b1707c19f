/** Who asks. Comes in with every command and question, and is kept with every event. */
import { Schema } from "effect"
import { Text } from "./Text.ts"

/** Who asks; kept with every event. */
export const Principal = Schema.TaggedUnion({
  /** A signed-in user; `userId` is the subject of their token. */
  User: { userId: Schema.String },
  /** An organization, by API key; `userId` is the user who was signed in beside it. */
  Organization: { orgId: Schema.String, userId: Schema.optionalKey(Schema.String) },
  /** The operator, by super key. */
  Super: { userId: Schema.optionalKey(Schema.String) },
  /** Somebody without a name, who has the link of a temp key. */
  Guest: {},
  /** Latchkey itself: recovery and background work. */
  System: {}
})
export type Principal = typeof Principal.Type

const isText = Schema.is(Text)

/** Somebody who asks now: with names that every store can keep. What is stored loads as it is. */
export const Asker = Principal.check(
  Schema.makeFilter(
    (principal) => Object.values(principal).every(isText) || "must have names without NUL characters, in Unicode"
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
