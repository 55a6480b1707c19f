/** The API for programs without Effect: a function of web requests over a Latchkey that is there already. */
import {
  type ApiKey,
  ApiKeys,
  type DeviceSecret,
  DeviceSecrets,
  type EmbeddedLatchkey,
  type ErrorStyle,
  type NewApiKey
} from "@latchkey/core"
import { Layer, ManagedRuntime, Schema, Scope } from "effect"
import { Authenticator } from "./auth/Authentication.ts"
import { Jwt, type JwtOptions } from "./auth/Jwt.ts"
import { PinSecret } from "./auth/PinSecret.ts"
import { apiKeysLayer, deviceSecretsLayer, OrganizationName, ThingName } from "./auth/Secrets.ts"
import { type FetchOptions, makeFetch } from "./serve.ts"
import type { Fetch } from "./server/Fetch.ts"
import { parseOrigins } from "./server/parseOrigins.ts"
import { publicUrl } from "./server/publicUrl.ts"

/** The API, and what an operator does besides. */
export interface LatchkeyFetch extends AsyncDisposable {
  readonly fetch: Fetch
  /** Keys with which organizations sign in. A secret is in the answer to `create` and nowhere else. */
  readonly apiKeys: {
    /** `"*"` is the operator: a super key. `expiresAt` is epoch milliseconds; `limits` say what it is for. */
    readonly create: (
      orgId: string,
      options?: NewApiKey
    ) => Promise<{ readonly keyId: string; readonly secret: string }>
    readonly revoke: (keyId: string) => Promise<ApiKey>
    readonly list: () => Promise<ReadonlyArray<ApiKey>>
  }
  /** With what devices sign in. A secret is in the answer to `create` and nowhere else. */
  readonly deviceSecrets: {
    /** The claim code proves once that the device is theirs, to anyone who claims it; `orgId` says whose device it is. */
    readonly create: (
      thing: string,
      orgId?: string
    ) => Promise<{ readonly secretId: string; readonly secret: string; readonly claimCode: string }>
    readonly revoke: (secretId: string) => Promise<DeviceSecret>
    readonly list: () => Promise<ReadonlyArray<DeviceSecret>>
    /** Whether the device may sign in with this. */
    readonly isSecretOf: (thing: string, secret: string) => Promise<boolean>
  }
  /** Waits for what is under way, and ends the answers that go on. Dispose of the Latchkey after it. */
  readonly dispose: () => Promise<void>
}

/**
 * The HTTP API inside a server of your own. Every route, limit and error is that of `latchkey serve`; connections and
 * their deadlines are your server's.
 *
 * @example
 * const latchkey = await createLatchkey({ store, shadow, pinKey: pinKeyOf(process.env.PIN_KEY) })
 * const { fetch } = await createFetch(latchkey, { publicUrl: "https://keys.example.org" })
 * Bun.serve({ fetch: (request, server) => fetch(request, { address: server.requestIP(request)?.address }) })
 *
 * Rejects with a `TypeError` when an option is unusable: a public URL with a path, a secret that can be guessed, an origin
 * with a slash at its end.
 *
 * @param options.jwt how users sign in; without it, they cannot
 * @param options.apiKeys keys beside those in the log
 */
export const createFetch = async <Style extends ErrorStyle>(
  latchkey: Pick<EmbeddedLatchkey<Style>, "services" | "pinKey">,
  options: FetchOptions & {
    readonly jwt?: JwtOptions
    readonly apiKeys?: ReadonlyArray<{ readonly orgId: string; readonly secret: string }>
  }
): Promise<LatchkeyFetch> => {
  const { pinKey, services } = latchkey
  const reachedAt = publicUrl(options.publicUrl)
  if (reachedAt === undefined) throw new TypeError("publicUrl must be like https://keys.example.org, without a path.")
  if (options.corsOrigins?.every((origin) => parseOrigins(origin)?.length === 1) === false)
    throw new TypeError("corsOrigins must be origins like https://app.example.org, exactly as browsers send them.")
  const pins = pinKey === undefined ? PinSecret.layerPassing : Layer.succeed(PinSecret, pinKey)
  const jwt = Jwt.layer(options.jwt ?? { key: { _tag: "None" }, issuer: "", audience: "" })
  const signIn = Authenticator.layer.pipe(Layer.provideMerge(apiKeysLayer(options.apiKeys)), Layer.provide(jwt))
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(signIn, pins, deviceSecretsLayer).pipe(Layer.provideMerge(Layer.succeedContext(services)))
  )
  const dispose = () => runtime.dispose()
  try {
    const fetch = await runtime.runPromise(
      Scope.provide(makeFetch({ ...options, publicUrl: reachedAt }), runtime.scope)
    )
    const keys = await runtime.runPromise(ApiKeys)
    const secrets = await runtime.runPromise(DeviceSecrets)
    return {
      fetch,
      apiKeys: {
        create: async (orgId, given = {}) => runtime.runPromise(keys.create(organizationName(orgId), given)),
        revoke: (keyId) => runtime.runPromise(keys.revoke(keyId)),
        list: () => runtime.runPromise(keys.list)
      },
      deviceSecrets: {
        create: async (thing, orgId) =>
          runtime.runPromise(secrets.create(thingName(thing), orgId === undefined ? orgId : organizationName(orgId))),
        revoke: (secretId) => runtime.runPromise(secrets.revoke(secretId)),
        list: () => runtime.runPromise(secrets.list),
        isSecretOf: (thing, secret) => runtime.runPromise(secrets.isSecretOf(thing, secret))
      },
      dispose,
      [Symbol.asyncDispose]: dispose
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

const organizationName = Schema.decodeUnknownSync(OrganizationName)
const thingName = Schema.decodeUnknownSync(ThingName)
