/** `latchkey tokens`: users' tokens for development, signed with the secret that the server checks them with. */
import { instantOf } from "@latchkey/core"
import { Clock, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { InvalidConfig, jwtConfig } from "./Config.ts"
import { expiresIn } from "./expiry.ts"
import { printSecret } from "./output.ts"
import { warnOfUnknownVariables } from "./unknownVariables.ts"

/** In milliseconds: how long a token is good unless told otherwise. */
const A_DAY = 24 * 60 * 60_000

const UserName = Schema.String.check(Schema.isPattern(/^[^\p{Cc}]+$/u, { expected: "a user's id in one line" }))

/** Where somebody else signs tokens, this has no key to sign with. */
const secretOf = Effect.gen(function* () {
  const { key, issuer, audience } = yield* jwtConfig
  switch (key._tag) {
    case "Secret":
      return { secret: key.secret, issuer, audience }
    case "None":
      return yield* new InvalidConfig({
        variable: "LATCHKEY_JWT_SECRET",
        expected: "set it to the server's secret, at least 32 bytes: tokens are signed with it"
      })
    case "Jwks":
    case "PublicKey":
      return yield* new InvalidConfig({
        variable: key._tag === "Jwks" ? "LATCHKEY_JWKS_URL" : "LATCHKEY_JWT_PUBLIC_KEY",
        expected: "your identity provider signs the tokens of users: sign in there"
      })
  }
})

/** A token for the configured server, and when it ends: at an instant in epoch milliseconds, unless given in a day. */
export const signedToken = Effect.fnUntraced(function* (user: string, expiresAt?: number) {
  const { secret, issuer, audience } = yield* secretOf
  const now = yield* Clock.currentTimeMillis
  // Tokens count whole seconds: one that ends at once would never be good.
  const end = Math.ceil((expiresAt ?? now + A_DAY) / 1000)
  // Whatever signs nothing starts without loading it.
  const { SignJWT } = yield* Effect.promise(() => import("jose"))
  const token = yield* Effect.promise(() =>
    new SignJWT({ sub: user, iss: issuer, aud: audience, iat: Math.floor(now / 1000), exp: end })
      .setProtectedHeader({ alg: "HS256" })
      .sign(secret)
  )
  return { token, endsAt: end * 1000 }
})

const create = Command.make(
  "create",
  {
    user: Flag.String("user").pipe(
      Flag.withSchema(UserName),
      Flag.withDescription("The user whom the token signs in: its subject")
    ),
    expiresAt: expiresIn.pipe(Flag.optional)
  },
  Effect.fnUntraced(function* ({ user, expiresAt: until }) {
    yield* warnOfUnknownVariables
    const { token, endsAt } = yield* signedToken(user, Option.getOrUndefined(until))
    const expiresAt = instantOf(endsAt)
    yield* printSecret(
      { token, userId: user, expiresAt },
      token,
      `Made a token of ${user} until ${expiresAt}. For development: it cannot be revoked. In production your identity provider signs users in.`
    )
  })
).pipe(Command.withDescription("Create a user's token with LATCHKEY_JWT_SECRET, for development"))

/** Needs no store: a token is a signature. */
export const tokens = Command.make("tokens").pipe(
  Command.withDescription("Tokens of users, for development"),
  Command.withSubcommands([create])
)
