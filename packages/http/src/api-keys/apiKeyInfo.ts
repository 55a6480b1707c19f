import { type ApiKey, instantOf } from "@latchkey/core"

/** An API key on the wire, without its secret. */
export const apiKeyInfo = ({ keyId, name, limits, createdAt, expiresAt, revokedAt }: ApiKey) => ({
  id: keyId,
  name: name ?? null,
  scopes: limits?.scopes ?? null,
  locks: limits?.locks ?? null,
  createdAt: instantOf(createdAt),
  expiresAt: expiresAt === undefined ? null : instantOf(expiresAt),
  revokedAt: revokedAt === undefined ? null : instantOf(revokedAt)
})
