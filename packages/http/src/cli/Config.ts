/** The configuration of the standalone server: environment variables, checked before anything starts. */
import {
  type Brand,
  BUDGETS,
  type Budget,
  type Budgets,
  brandFrom,
  type ClaimPolicy,
  type Origin
} from "@latchkey/core"
import { Config, ConfigProvider, Context, Effect, Option, Schema } from "effect"
import type { JwtOptions } from "../auth/Jwt.ts"
import { type Networks, parseNetworks } from "../partners/Addresses.ts"
import { noProxies, parseProxies, type TrustedProxies } from "../server/CallerAddress.ts"
import { isLoopback } from "../server/isLoopback.ts"
import { parseOrigins } from "../server/parseOrigins.ts"
import { publicUrl } from "../server/publicUrl.ts"
import {
  anyText,
  apiKeyPairs,
  brandLogo,
  brandPart,
  budgetOrOff,
  budgetText,
  databaseName,
  eventBuses,
  httpUrl,
  keysUrl,
  matching,
  mqttUrl,
  oneOf,
  oneWord,
  portNumber,
  portOrOff,
  positive,
  postgresUrl,
  publicKeyFrom,
  secretBytes,
  serverUrl,
  shadowKeyPairs,
  storeNamed
} from "./ConfigValues.ts"

/** A variable has no good value; `message` is one line that names it. Values are not repeated: some are secret. */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>()("InvalidConfig", {
  variable: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `${this.variable}: ${this.expected}`
  }
}

/** Where the log is: all that a command on the data needs to know. */
export interface StoreConfig {
  readonly store: "sqlite" | "postgres" | "memory" | "spacetimedb" | { readonly package: string }
  /** Folder of the embedded database; `:memory:` keeps nothing. */
  readonly data: string
  /** What is in the folder is a backup that was restored, though more was there before. */
  readonly restored: boolean
  /** Given when it is the store. */
  readonly postgres: PostgresConfig | undefined
  /** Likewise. */
  readonly spacetimedb: SpacetimeConfig | undefined
}

/** A PostgreSQL, and which of its schemas holds everything. */
export interface PostgresConfig {
  /** It may hold a password. */
  readonly url: string
  readonly schema: string
}

/** A SpacetimeDB database in which the module of Latchkey is published. */
export interface SpacetimeConfig {
  readonly uri: string
  readonly database: string
  /** Of an allowed writer. */
  readonly token: string
}

export interface ServerConfig extends StoreConfig {
  readonly host: string
  readonly port: number
  readonly shadow: LocalShadowConfig | AwsShadowConfig
  /** Who may claim devices that nobody ever had. */
  readonly claims: ClaimPolicy
  readonly jwt: JwtOptions
  /** Where guests are sent to sign in. */
  readonly signInUrl: string | undefined
  /** Whose guests' pages are, where an organization has not said so itself. */
  readonly brand: Brand | undefined
  /** How the API is reached from outside, without a slash at the end. */
  readonly publicUrl: string | undefined
  /** Whose web pages may ask the API. */
  readonly corsOrigins: ReadonlyArray<string>
  readonly proxies: TrustedProxies
  readonly connections: ConnectionLimits
  /** Whether `/docs` is there. */
  readonly docs: boolean
  /** Whether `/console` is there. */
  readonly console: boolean
  /** The secret under which PINs are kept, unless it is in the folder of the data. */
  readonly pinKey: Uint8Array | undefined
  readonly apiKeys: ReadonlyArray<{ readonly orgId: string; readonly secret: string }>
  readonly budgets: Budgets
  /** Where the envelopes of partners say that they come from. */
  readonly origin: Origin
  /** Where webhooks may be, beside public addresses. */
  readonly webhooks: { readonly networks: Networks; readonly loopback: boolean }
  /** Event buses of Amazon EventBridge, and whose events may be put there. */
  readonly eventBuses: ReadonlyArray<{ readonly orgId: string; readonly arn: string }>
  /** Whether requests are traced, to the collector that OpenTelemetry's own variables name. */
  readonly traced: boolean
}

/** The embedded device shadow. */
export interface LocalShadowConfig {
  readonly _tag: "local"
  /** Where it is served over HTTP as AWS serves shadows; `closed` tells that it would be, had it keys. */
  /** Whether devices, on this machine, are who they say; then the same goes for users who claim one. */
  readonly signIn: "open" | "secret"
  readonly rest:
    | "off"
    | "closed"
    | { readonly port: number; readonly keys: ReadonlyArray<ShadowKey>; readonly limits: ConnectionLimits }
  readonly mqtt: MqttConfig
}

/** Where devices meet their shadows: at a broker of this process, at another one, or nowhere. */
export type MqttConfig =
  | { readonly _tag: "Off" }
  | {
      readonly _tag: "Own"
      readonly port: number
      readonly limits: ConnectionLimits
    }
  | { readonly _tag: "Other"; readonly url: URL }

/** Most connections of a port; what is not given follows from the files that the process may open. */
export interface ConnectionLimits {
  readonly total?: number
  readonly perAddress?: number
}

/** AWS IoT Core; region, endpoint and credentials are the AWS SDK's own variables. */
export interface AwsShadowConfig {
  readonly _tag: "aws"
  /** Before the uuid of a lock, in the name of its thing. */
  readonly thingPrefix: string
  /** A named shadow; the classic one when there is none. */
  readonly shadowName: string | undefined
  /** The SQS queue with the reports of devices. */
  readonly reportsQueue: string | undefined
  /** The SQS queue with the changes of shadows, of this server alone. */
  readonly updatesQueue: string | undefined
}

/** What a client of the shadow service signs with. */
export interface ShadowKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export const storeConfig: Effect.Effect<StoreConfig, InvalidConfig> = Effect.gen(function* () {
  const store = yield* variable(
    "LATCHKEY_STORE",
    "sqlite",
    storeNamed,
    "expected sqlite, postgres, memory, spacetimedb, or a package that exports latchkeyStore"
  )
  return {
    store,
    data: yield* variable("LATCHKEY_DATA", "./data", anyText, "expected a folder, or :memory:"),
    restored: (yield* variable("LATCHKEY_RESTORED", undefined, oneOf("yes"), "expected yes")) === "yes",
    postgres: store === "postgres" ? yield* postgresConfig : undefined,
    spacetimedb: store === "spacetimedb" ? yield* spacetimeConfig : undefined
  }
})

const postgresConfig: Effect.Effect<PostgresConfig, InvalidConfig> = Effect.gen(function* () {
  const expected = "expected a URL such as postgres://user:password@host:5432/database"
  const url = yield* variable("LATCHKEY_POSTGRES_URL", undefined, postgresUrl, expected)
  if (url === undefined) return yield* new InvalidConfig({ variable: "LATCHKEY_POSTGRES_URL", expected })
  const schema = yield* variable(
    "LATCHKEY_POSTGRES_SCHEMA",
    "latchkey",
    matching(/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/),
    "expected up to 63 of a-z, 0-9 and '_', beginning with neither a digit nor pg_"
  )
  return { url, schema }
})

const spacetimeConfig: Effect.Effect<SpacetimeConfig, InvalidConfig> = Effect.gen(function* () {
  const token = yield* variable("LATCHKEY_SPACETIMEDB_TOKEN", undefined, oneWord, "expected a token, without spaces")
  if (token === undefined) {
    const expected = "set it to the token of an allowed writer, such as the one that published the module"
    return yield* new InvalidConfig({ variable: "LATCHKEY_SPACETIMEDB_TOKEN", expected })
  }
  return {
    uri: yield* variable(
      "LATCHKEY_SPACETIMEDB_URI",
      "http://127.0.0.1:3000",
      serverUrl,
      "expected an http, https, ws or wss URL"
    ),
    database: yield* variable(
      "LATCHKEY_SPACETIMEDB_DATABASE",
      "latchkey",
      databaseName,
      "expected the name or identity of a database"
    ),
    token
  }
})

/** Where everything listens: other variables are judged by it. */
export const hostConfig: Effect.Effect<string, InvalidConfig> = Effect.suspend(() =>
  variable("HOST", "127.0.0.1", anyText, "expected a host name or address")
)

export const serverConfig: Effect.Effect<ServerConfig, InvalidConfig> = Effect.gen(function* () {
  const host = yield* hostConfig
  const port = yield* variable("PORT", 8787, portNumber, "expected a port, 0 to 65535")
  const store = yield* storeConfig
  const shadow = yield* shadowConfig(host, port === 0)
  return {
    ...store,
    host,
    port,
    shadow,
    claims: shadow._tag === "local" && shadow.signIn === "open" ? "open" : "proof",
    jwt: yield* jwtConfig,
    signInUrl: yield* variable("LATCHKEY_SIGN_IN_URL", undefined, httpUrl, "expected an http or https URL"),
    brand: yield* brandConfig,
    publicUrl: yield* variable(
      "LATCHKEY_PUBLIC_URL",
      undefined,
      publicUrl,
      "expected an http or https URL without a path"
    ),
    corsOrigins: yield* variable(
      "LATCHKEY_CORS_ORIGINS",
      [],
      parseOrigins,
      "expected origins such as https://app.example.org, separated by commas, each exactly as browsers send it"
    ),
    proxies: yield* variable(
      "LATCHKEY_TRUSTED_PROXIES",
      noProxies,
      parseProxies,
      "expected addresses or networks such as 10.0.0.5 or 10.0.8.0/28, separated by commas"
    ),
    connections: yield* httpConnections,
    docs: (yield* variable("LATCHKEY_DOCS", "on", oneOf("on", "off"), "expected on or off")) === "on",
    console: (yield* variable("LATCHKEY_CONSOLE", "on", oneOf("on", "off"), "expected on or off")) === "on",
    pinKey: yield* variable("LATCHKEY_PIN_KEY", undefined, secretBytes, "expected a secret of at least 32 bytes"),
    apiKeys: yield* variable(
      "LATCHKEY_API_KEYS",
      [],
      apiKeyPairs,
      "expected org:secret pairs, separated by commas, each secret of at least 32 bytes, without repeats"
    ),
    budgets: yield* budgets,
    origin: {
      region: yield* variable("LATCHKEY_EVENT_REGION", "local", matching(WORD), ONE_WORD),
      account: yield* variable("LATCHKEY_EVENT_ACCOUNT", "000000000000", matching(WORD), ONE_WORD)
    },
    webhooks: {
      networks: yield* variable(
        "LATCHKEY_WEBHOOK_NETWORKS",
        [],
        parseNetworks,
        "expected networks such as 10.0.8.0/24 or fd00:8::/32, separated by commas"
      ),
      loopback: isLoopback(host)
    },
    eventBuses: yield* variable(
      "LATCHKEY_EVENTBRIDGE_BUSES",
      [],
      eventBuses,
      "expected org:arn pairs, separated by commas, such as *:arn:aws:events:eu-west-1:123456789012:event-bus/locks"
    ),
    traced:
      (yield* variable("OTEL_EXPORTER_OTLP_ENDPOINT", undefined, httpUrl, "expected an http or https URL")) !==
      undefined
  }
})

const brandConfig: Effect.Effect<Brand | undefined, InvalidConfig> = Effect.gen(function* () {
  const name = yield* variable(
    "LATCHKEY_BRAND_NAME",
    undefined,
    brandPart("name"),
    "expected a name in one line, at most 80 characters"
  )
  const color = yield* variable(
    "LATCHKEY_BRAND_COLOR",
    undefined,
    brandPart("color"),
    "expected a colour such as #0d6b4f"
  )
  const logo = yield* variable(
    "LATCHKEY_BRAND_LOGO",
    undefined,
    brandLogo,
    "expected the path of a PNG, at most 16384 bytes and 1024 pixels wide and high"
  )
  if (logo !== undefined && name === undefined) {
    const expected = "expected a name beside LATCHKEY_BRAND_LOGO, for those who do not see it"
    return yield* new InvalidConfig({ variable: "LATCHKEY_BRAND_NAME", expected })
  }
  if (name === undefined && color === undefined) return undefined
  return brandFrom({ ...(name && { name }), ...(color && { color }), ...(logo && { logo }) })
})

const WORD = /^[\w.:-]{1,64}$/
const ONE_WORD = "expected up to 64 of a-z, A-Z, 0-9, '.', ':', '_' and '-'"

const budgets: Effect.Effect<Budgets, InvalidConfig> = Effect.gen(function* () {
  const pins = (name: string, unless: Budget) =>
    variable(
      `LATCHKEY_BUDGET_PIN_${name}`,
      unless,
      budgetText,
      "expected how many at once plus how many an hour, such as 100+120"
    )
  const others = (name: string, unless: Budget) =>
    variable(
      `LATCHKEY_BUDGET_${name}`,
      unless,
      budgetOrOff,
      "expected how many at once plus how many an hour, such as 200+14400, or off"
    )
  return {
    caller: yield* pins("CALLER", BUDGETS.caller),
    line: yield* pins("LINE", BUDGETS.line),
    site: yield* pins("SITE", BUDGETS.site),
    lock: yield* pins("LOCK", BUDGETS.lock),
    gateway: yield* pins("KEYPAD", BUDGETS.gateway),
    link: yield* others("LINK", BUDGETS.link),
    guests: yield* others("GUESTS", BUDGETS.guests),
    userEvents: yield* others("USER", BUDGETS.userEvents),
    userKB: yield* others("USER_KB", BUDGETS.userKB),
    orgEvents: yield* others("ORGANIZATION", BUDGETS.orgEvents),
    orgKB: yield* others("ORGANIZATION_KB", BUDGETS.orgKB)
  }
})

/** `anyPort`: ports that are not set are the system's to choose, as that of the API is. */
const shadowConfig = Effect.fnUntraced(function* (host: string, anyPort: boolean) {
  const shadow = yield* variable("LATCHKEY_SHADOW", "local", oneOf("local", "aws"), "expected local or aws")
  return shadow === "aws" ? yield* awsShadowConfig : yield* localShadowConfig(host, anyPort)
})

const awsShadowConfig: Effect.Effect<AwsShadowConfig, InvalidConfig> = Effect.gen(function* () {
  const queue = "expected the URL of an SQS queue"
  const reportsQueue = yield* variable("LATCHKEY_AWS_REPORTS_QUEUE", undefined, httpUrl, queue)
  const updatesQueue = yield* variable("LATCHKEY_AWS_UPDATES_QUEUE", undefined, httpUrl, queue)
  // Each would delete what the other waits for.
  if (updatesQueue !== undefined && updatesQueue === reportsQueue) {
    const expected = "expected another queue than LATCHKEY_AWS_REPORTS_QUEUE"
    return yield* new InvalidConfig({ variable: "LATCHKEY_AWS_UPDATES_QUEUE", expected })
  }
  return {
    _tag: "aws",
    thingPrefix: yield* variable(
      "LATCHKEY_AWS_THING_PREFIX",
      "",
      matching(/^[a-zA-Z0-9:_-]{0,92}$/),
      "expected up to 92 of a-z, A-Z, 0-9, ':', '_' and '-'"
    ),
    shadowName: yield* variable(
      "LATCHKEY_AWS_SHADOW_NAME",
      undefined,
      matching(/^[$a-zA-Z0-9:_-]{1,64}$/),
      "expected the name of a shadow"
    ),
    reportsQueue,
    updatesQueue
  }
})

const localShadowConfig = Effect.fnUntraced(function* (
  host: string,
  anyPort: boolean
): Effect.fn.Return<LocalShadowConfig, InvalidConfig> {
  const keys = yield* variable(
    "LATCHKEY_SHADOW_KEYS",
    [],
    shadowKeyPairs,
    "expected accessKeyId:secret pairs, separated by commas, each secret of at least 32 bytes, without repeated ids"
  )
  const port = yield* variable("LATCHKEY_SHADOW_PORT", undefined, portOrOff, "expected a port, 0 to 65535, or off")
  const limits = yield* shadowConnections
  const { mqtt, signIn } = yield* mqttConfig(host, anyPort)
  if (port === "off") return { _tag: "local", signIn, rest: "off", mqtt }
  // Who writes a shadow opens a door: without a signature, only programs of this machine.
  if (keys.length > 0 || isLoopback(host))
    return { _tag: "local", signIn, rest: { port: port ?? (anyPort ? 0 : 8789), keys, limits }, mqtt }
  if (port === undefined) return { _tag: "local", signIn, rest: "closed", mqtt }
  const expected = "set LATCHKEY_SHADOW_KEYS, since HOST is not a loopback address, or set it to off"
  return yield* new InvalidConfig({ variable: "LATCHKEY_SHADOW_PORT", expected })
})

const mqttConfig = Effect.fnUntraced(function* (
  host: string,
  anyPort: boolean
): Effect.fn.Return<Pick<LocalShadowConfig, "mqtt" | "signIn">, InvalidConfig> {
  const port = yield* variable("LATCHKEY_MQTT_PORT", undefined, portOrOff, "expected a port, 0 to 65535, or off")
  const url = yield* variable("LATCHKEY_MQTT_URL", undefined, mqttUrl, "expected an mqtt or mqtts URL")
  const limits = yield* mqttConnections
  const byDefault = isLoopback(host) ? "open" : "secret"
  const signIn = yield* variable("LATCHKEY_DEVICE_AUTH", byDefault, oneOf("open", "secret"), "expected open or secret")
  // Who speaks for a device hears and answers its commands.
  if (signIn === "open" && !isLoopback(host)) {
    const expected = "expected secret, since HOST is not a loopback address"
    return yield* new InvalidConfig({ variable: "LATCHKEY_DEVICE_AUTH", expected })
  }
  if (url !== undefined && typeof port === "number") {
    const expected = "set only one of LATCHKEY_MQTT_URL and LATCHKEY_MQTT_PORT"
    return yield* new InvalidConfig({ variable: "LATCHKEY_MQTT_URL", expected })
  }
  const mqtt: MqttConfig =
    url !== undefined
      ? { _tag: "Other", url: new URL(url) }
      : port === "off"
        ? { _tag: "Off" }
        : { _tag: "Own", port: port ?? (anyPort ? 0 : 8788), limits }
  return { mqtt, signIn }
})

const httpConnections: Effect.Effect<ConnectionLimits, InvalidConfig> = Effect.gen(function* () {
  return limits(
    yield* variable("LATCHKEY_HTTP_CONNECTIONS", undefined, positive, A_NUMBER),
    yield* variable("LATCHKEY_HTTP_CONNECTIONS_PER_ADDRESS", undefined, positive, A_NUMBER)
  )
})

const mqttConnections: Effect.Effect<ConnectionLimits, InvalidConfig> = Effect.gen(function* () {
  return limits(
    yield* variable("LATCHKEY_MQTT_CONNECTIONS", undefined, positive, A_NUMBER),
    yield* variable("LATCHKEY_MQTT_CONNECTIONS_PER_ADDRESS", undefined, positive, A_NUMBER)
  )
})

const shadowConnections: Effect.Effect<ConnectionLimits, InvalidConfig> = Effect.gen(function* () {
  return limits(
    yield* variable("LATCHKEY_SHADOW_CONNECTIONS", undefined, positive, A_NUMBER),
    yield* variable("LATCHKEY_SHADOW_CONNECTIONS_PER_ADDRESS", undefined, positive, A_NUMBER)
  )
})

const A_NUMBER = "expected a number of connections, at least 1"
const limits = (total: number | undefined, perAddress: number | undefined): ConnectionLimits => ({
  ...(total !== undefined && { total }),
  ...(perAddress !== undefined && { perAddress })
})

/** Whose tokens sign users in. */
export const jwtConfig: Effect.Effect<JwtOptions, InvalidConfig> = Effect.suspend(() =>
  Effect.all({
    key: jwtKey,
    issuer: variable("LATCHKEY_JWT_ISSUER", "latchkey", anyText, "expected the issuer of tokens"),
    audience: variable("LATCHKEY_JWT_AUDIENCE", "latchkey", anyText, "expected the audience of tokens")
  })
)

const jwtKey: Effect.Effect<JwtOptions["key"], InvalidConfig> = Effect.gen(function* () {
  const secret = yield* variable(
    "LATCHKEY_JWT_SECRET",
    undefined,
    secretBytes,
    "expected a secret of at least 32 bytes"
  )
  const url = yield* variable(
    "LATCHKEY_JWKS_URL",
    undefined,
    keysUrl,
    "expected an https URL, or an http URL of this machine (localhost), without a user or password"
  )
  const publicKey = yield* variable(
    "LATCHKEY_JWT_PUBLIC_KEY",
    undefined,
    publicKeyFrom,
    "expected a public key as PEM: RSA of at least 2048 bits, P-256 or Ed25519"
  )
  const keys: ReadonlyArray<JwtOptions["key"]> = [
    ...(secret === undefined ? [] : [{ _tag: "Secret" as const, secret }]),
    ...(url === undefined ? [] : [{ _tag: "Jwks" as const, url: new URL(url) }]),
    ...(publicKey === undefined ? [] : [{ _tag: "PublicKey" as const, publicKey }])
  ]
  if (keys.length > 1) {
    const expected = "set only one of LATCHKEY_JWT_SECRET, LATCHKEY_JWKS_URL and LATCHKEY_JWT_PUBLIC_KEY"
    return yield* new InvalidConfig({ variable: "LATCHKEY_JWT_SECRET", expected })
  }
  return keys[0] ?? { _tag: "None" }
})

/** A variable as it is declared. */
export interface Declared {
  readonly name: string
  readonly fallback: unknown
  readonly expected: string
}

/** Is told of every variable that is read. */
const OnRead = Context.Reference<(declared: Declared) => void>("@latchkey/http/Config/OnRead", {
  defaultValue: () => () => {}
})

/** A variable that is unset or empty has its default; `parse` answers `undefined` for what is no value. */
const variable = Effect.fnUntraced(function* <A, const Default>(
  name: string,
  fallback: Default,
  parse: (text: string) => A | undefined,
  expected: string
) {
  const onRead = yield* OnRead
  onRead({ name, fallback, expected })
  const text = yield* Config.option(Config.String(name)).pipe(
    Effect.mapError(() => new InvalidConfig({ variable: name, expected }))
  )
  if (Option.isNone(text) || text.value === "") return fallback
  const value = parse(text.value)
  return value === undefined ? yield* new InvalidConfig({ variable: name, expected }) : value
})

/** What is read depends on what is chosen: these choices together read every variable. */
const CHOICES: ReadonlyArray<Readonly<Record<string, string>>> = [
  {},
  { LATCHKEY_STORE: "postgres", LATCHKEY_POSTGRES_URL: "postgres://any" },
  { LATCHKEY_STORE: "spacetimedb", LATCHKEY_SPACETIMEDB_TOKEN: "any" },
  { LATCHKEY_SHADOW: "aws" }
]

/** Every variable that there is, in the order in which they are read; found by reading them. */
export const declaredVariables = (): ReadonlyArray<Declared> => {
  const found = new Map<string, Declared>()
  const onRead = (declared: Declared) => void (found.has(declared.name) || found.set(declared.name, declared))
  for (const env of CHOICES) {
    const read = Effect.provide(serverConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    Effect.runSync(Effect.ignore(Effect.provideService(read, OnRead, onRead)))
  }
  return [...found.values()]
}
