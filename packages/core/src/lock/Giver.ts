/** On whose right a key or temp key rests: it is worth something for as long as they may give it. */
import { Schema } from "effect"
import type { Principal } from "../values/Principal.ts"

/**
 * Who gave something: a user or an organization, never the API key they came with. Super keys act for others: what the
 * operator gives rests on the owner and on the organization that the lock had then, as far as it had them.
 */
export const Giver = Schema.TaggedUnion({
  User: { userId: Schema.String },
  Organization: { orgId: Schema.String },
  Operator: { ownerId: Schema.optionalKey(Schema.String), orgId: Schema.optionalKey(Schema.String) }
})
export type Giver = typeof Giver.Type

/** Those who have a lock; the empty id is nobody's. */
export interface Hands {
  readonly ownerId?: string | undefined
  readonly orgId?: string | undefined
}

/** On whose right it rests what the principal gives on a lock that is in these hands. */
export const giverOf = (principal: Principal, { ownerId, orgId }: Hands): Giver => {
  switch (principal._tag) {
    case "User":
      return { _tag: "User", userId: principal.userId }
    case "Organization":
      return { _tag: "Organization", orgId: principal.orgId }
    default:
      return { _tag: "Operator", ...(ownerId ? { ownerId } : {}), ...(orgId ? { orgId } : {}) }
  }
}
