/** The HTTP API, as far as the client SDK, a publisher and callers without a connection need it. */
import { randomBytes, randomUUID } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import type { HttpAnswer, Published } from "./Published.ts"
import { RawModuleDef } from "./protocol/RawModuleDef.ts"
import { valueToNamedJson } from "./protocol/satsJson.ts"
import { hex, identityOf, type Tokens, type Verified } from "./Tokens.ts"

/** The databases of a host. */
export interface Databases {
  readonly find: (nameOrIdentity: string) => Published | undefined
  /** Throws with what is to be changed when the module cannot be published. */
  readonly publish: (name: string, source: string, owner: bigint, clear: boolean) => Promise<Published>
  readonly remove: (database: Published) => Promise<void>
  readonly logsOf: (database: Published) => string
}

export interface Authenticated extends Verified {
  readonly token: string
}

interface Exchange {
  readonly request: IncomingMessage
  readonly url: URL
  readonly tokens: Tokens
  readonly databases: Databases
}

const json = (body: unknown, status = 200): HttpAnswer => ({ status, body: JSON.stringify(body), type: JSON_TYPE })
const plain = (status: number, body: string): HttpAnswer => ({ status, body })
const JSON_TYPE = "application/json"

export async function answer(exchange: Exchange): Promise<HttpAnswer> {
  const { request, url, tokens, databases } = exchange
  const [version, resource, name, part, last, ...rest] = url.pathname.split("/").slice(1).map(decodeURIComponent)
  const route = `${request.method} ${resource}`
  if (version !== "v1" || rest.length > 0) return plain(404, "")
  const auth = await authenticate(request, url, tokens)
  if (auth === undefined) return plain(401, "The token was not signed by this host, or has expired")

  if (route === "GET ping") return plain(200, "")
  if (route === "GET identity" && name === "public-key")
    return { status: 200, body: tokens.publicKey, type: "application/pem-certificate-chain" }
  // Somebody new, whoever asks.
  if (route === "POST identity" && name === undefined) return json(await newIdentity(tokens))
  if (route === "POST identity" && name === "websocket-token") return json({ token: auth.token })
  if (resource !== "database") return plain(404, "")

  if (part === undefined && (request.method === "PUT" || request.method === "POST")) {
    return publish(exchange, name || `unnamed-${randomUUID()}`, auth)
  }
  const database = databases.find(name ?? "")
  if (database === undefined) return plain(404, `${name} not found`)
  const isOwner = auth.identity === database.owner
  switch (`${request.method} ${part ?? ""}`) {
    case "GET ":
      return json({
        database_identity: { __identity__: `0x${hex(database.identity)}` },
        owner_identity: { __identity__: `0x${hex(database.owner)}` },
        host_type: { js: [] }
      })
    case "DELETE ":
      if (!isOwner) return plain(401, "Only the owner of a database deletes it")
      await databases.remove(database)
      return plain(200, "")
    case "GET identity":
      return plain(200, hex(database.identity))
    case "GET schema":
      if (url.searchParams.get("version") !== "10") return plain(400, "The test host describes a schema in version=10")
      return { status: 200, body: schemaOf(database), type: JSON_TYPE }
    case "GET logs":
      if (!isOwner) return plain(401, "Only the owner of a database reads its log")
      return { status: 200, body: databases.logsOf(database), type: "application/x-ndjson" }
    case "POST call":
      if (last === undefined) return plain(404, "")
      if (request.headers["content-type"] !== JSON_TYPE) return plain(415, `Expected Content-Type: ${JSON_TYPE}`)
      return database.call({ ...auth, connectionId: newConnectionId() }, last, await text(request))
    default:
      return plain(404, "The test host does not have this route")
  }
}

async function publish({ request, url, databases }: Exchange, name: string, auth: Authenticated): Promise<HttpAnswer> {
  const existing = databases.find(name)
  if (existing !== undefined && existing.owner !== auth.identity) return plain(401, "Only its owner updates a database")
  try {
    const clear = url.searchParams.get("clear") === "true"
    const bundle = await text(request)
    const { name: domain, identity } = await databases.publish(existing?.name ?? name, bundle, auth.identity, clear)
    const op = existing ? "updated" : "created"
    return json({ Success: { domain, database_identity: { __identity__: `0x${hex(identity)}` }, op } })
  } catch (cause) {
    return plain(400, (cause as Error).message)
  }
}

/** Who asks: the bearer of the token, or somebody new when there is none; `undefined` for a token that is not valid. */
export async function authenticate(
  { headers }: IncomingMessage,
  url: URL,
  tokens: Tokens
): Promise<Authenticated | undefined> {
  const [scheme, value = ""] = (headers.authorization ?? "").split(" ", 2)
  const basic =
    scheme === "Basic"
      ? Buffer.from(value, "base64")
          .toString()
          .replace(/^token:/, "")
      : undefined
  const given = scheme === "Bearer" ? value : (basic ?? url.searchParams.get("token"))
  const token = given ?? (await newIdentity(tokens)).token
  const verified = await tokens.verify(token)
  return verified && { ...verified, token }
}

/** Without the name of its version, which was asked for. */
const schemaOf = ({ schema }: Published): string =>
  valueToNamedJson(RawModuleDef.algebraicType, schema).slice('{"V10":'.length, -"}".length)

const newIdentity = async (tokens: Tokens): Promise<{ readonly identity: string; readonly token: string }> => {
  const subject = randomUUID()
  return { identity: hex(identityOf("localhost", subject)), token: await tokens.issue({ subject }) }
}

export const newConnectionId = (): bigint => BigInt(`0x${randomBytes(16).toString("hex")}`)
