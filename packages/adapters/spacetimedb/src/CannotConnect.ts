/** Why there is no connection. The server ends a socket that it does not want without a word, so HTTP is asked why. */
import { Effect, Schema } from "effect"
import { WrongModule } from "./moduleVersion.ts"

/** Where a database is, and who comes. */
export interface DatabaseOptions {
  /** Of the server: `http://…`, `https://…`, `ws://…` or `wss://…`. */
  readonly uri: string
  /** Name or identity of the database that the module was published as. */
  readonly database: string
  /** Of an allowed writer. */
  readonly token: string
}

/** No connection; `option` is the one that is probably wrong. */
export class CannotConnect extends Schema.TaggedError<CannotConnect>()("CannotConnect", {
  option: Schema.Literals(["uri", "database", "token"]),
  message: Schema.String
}) {}

/** Nothing was heard before the deadline. */
export const TOO_LONG = "it took too long to connect"

/** What is to be mended. Asks the server where `cause` does not say; for at most `deadline` milliseconds. */
export const explain = (
  cause: unknown,
  options: DatabaseOptions & { readonly deadline: number }
): Effect.Effect<CannotConnect> => {
  const { uri, database, deadline } = options
  const because = (option: CannotConnect["option"], message: string) =>
    Effect.succeed(new CannotConnect({ option, message }))
  const reason = cause instanceof Error ? cause.message : "the connection was closed"
  const [, status] = /^Failed to verify token: (.*)$/.exec(reason) ?? []
  const tokenNotAccepted = `SpacetimeDB at ${uri} does not accept the token.`
  const notReached = `SpacetimeDB at ${uri} cannot be reached.`

  if (cause instanceof WrongModule) {
    return because(
      "database",
      cause.is === "newer"
        ? `The database ${database} at ${uri} has the module of a newer release, which this one cannot use: update the server, that is @latchkey/spacetimedb.`
        : `The database ${database} at ${uri} has the module of an older release, or none of Latchkey: update the module: publish the one of this release there, as the README of @latchkey/spacetimedb says under "Upgrading".`
    )
  }
  if (status !== undefined) {
    return ["Bad Request", "Unauthorized", "Forbidden", ""].includes(status)
      ? because("token", tokenNotAccepted)
      : because("uri", `${uri} answers "${status}", which a SpacetimeDB server never does.`)
  }
  if (reason === "fetch failed") return because("uri", notReached)
  if (reason === TOO_LONG) return because("uri", `SpacetimeDB at ${uri} did not answer within ${deadline} ms.`)
  return Effect.flatMap(statusOverHttp(options), (status) => {
    switch (status) {
      case undefined:
        return because("uri", notReached)
      case 401:
        return because("token", tokenNotAccepted)
      case 403:
        return because(
          "token",
          `The database ${database} refuses this token: its identity must be an allowed writer there, and its issuer and audience those that the owner allowed.`
        )
      case 404:
        return because("database", `There is no database ${database} of Latchkey at ${uri}: publish the module there.`)
      case 200:
        return because(
          "uri",
          `SpacetimeDB at ${uri} answers over HTTP, but ends the WebSocket (${reason}): what is between must let it through.`
        )
      default:
        return because("database", `No connection to the database ${database} at ${uri} (${reason}; HTTP ${status}).`)
    }
  })
}

const statusOverHttp = ({
  uri,
  database,
  token,
  deadline
}: DatabaseOptions & { readonly deadline: number }): Effect.Effect<number | undefined> =>
  Effect.promise(async () => {
    try {
      const path = `/v1/database/${encodeURIComponent(database)}/call/module_version`
      const { status } = await fetch(new URL(path, uri.replace(/^ws/, "http")), {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: "[]",
        signal: AbortSignal.timeout(deadline)
      })
      return status
    } catch {
      return undefined
    }
  })
