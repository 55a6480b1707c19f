/**
 * `LATCHKEY_STORE=<package>`: a store that somebody else wrote, without a fork. The module is found from the folder in
 * which the command runs, and exports `latchkeyStore`.
 */
import { registerHooks } from "node:module"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { EventStore, Presence, ReadModel } from "@latchkey/core"
import { Cause, Effect, Layer } from "effect"
import type { LatchkeyStore } from "../LatchkeyStore.ts"
import { InvalidConfig } from "./Config.ts"

export const storePackage = (
  name: string,
  environment: Parameters<LatchkeyStore>[0] = process.env
): Layer.Layer<EventStore | ReadModel | Presence, InvalidConfig> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { latchkeyStore } = yield* attempt(
        () => load(name),
        (error) => (isMissing(error, name) ? notInstalled(name) : notLoaded(name, error))
      )
      if (!isStoreFunction(latchkeyStore)) {
        return yield* wrong(`${name} is not a store: it does not export a function latchkeyStore`)
      }
      const layer: unknown = yield* attempt(
        async () => latchkeyStore(environment),
        (error) => failed(name, error)
      )
      if (!isStoreLayer(layer)) return yield* wrong(`latchkeyStore of ${name} did not return an Effect Layer`)
      return checked(name, layer)
    })
  )

/** Whatever it breaks with is one line; and a store without one of the three ports is none. */
const checked = (name: string, layer: Layer.Layer<EventStore | ReadModel | Presence, unknown>) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const services = yield* Layer.build(layer).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.interrupt : wrong(failed(name, Cause.squash(cause)))
        )
      )
      for (const [service, { key }] of Object.entries({ EventStore, ReadModel, Presence })) {
        if (!services.mapUnsafe.has(key)) return yield* wrong(`the Layer of ${name} has no ${service}`)
      }
      return services
    })
  )

const attempt = <A>(load: () => Promise<A>, describe: (error: unknown) => string) =>
  Effect.tryPromise({
    try: load,
    catch: (error) => new InvalidConfig({ variable: VARIABLE, expected: describe(error) })
  })

const wrong = (expected: string) => Effect.fail(new InvalidConfig({ variable: VARIABLE, expected }))

const VARIABLE = "LATCHKEY_STORE"

const failed = (name: string, error: unknown): string => `${name} cannot open its store (${messageOf(error)})`

const notInstalled = (name: string): string => {
  if (isPath(name)) return `there is no module ${name}`
  const todo = /\.m?[jt]s$/.test(name) ? `a path begins with ./, as in ./${name}` : `npm install ${packageOf(name)}`
  return `${name} is not installed here: ${todo}, or choose sqlite, postgres, memory or spacetimedb`
}

const notLoaded = (name: string, error: unknown): string => {
  const isTypeScript = codeOf(error) === "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING"
  return `${name} cannot be loaded (${messageOf(error)})${isTypeScript ? ": build it to JavaScript" : ""}`
}

/** As if a module in the working directory imported it; failing that, as this one does. */
const load = async (name: string): Promise<Record<string, unknown>> => {
  const specifier = isPath(name) ? pathToFileURL(resolve(name)).href : name
  const parentURL = pathToFileURL(resolve("latchkey")).href
  const hooks = registerHooks({
    resolve: (asked, context, next) => {
      if (asked !== specifier) return next(asked, context)
      try {
        return next(asked, { ...context, parentURL })
      } catch (error) {
        if (!isMissing(error, name)) throw error
        return next(asked, context)
      }
    }
  })
  try {
    return await import(specifier)
  } finally {
    hooks.deregister()
  }
}

const isPath = (name: string): boolean => name.startsWith(".") || name.startsWith("/")

/** `@acme/store` of `@acme/store/mysql`. */
const packageOf = (name: string): string =>
  name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/")

/** Not when what is missing is something that the package itself imports. */
const isMissing = (error: unknown, name: string): boolean =>
  codeOf(error) === "ERR_MODULE_NOT_FOUND" &&
  messageOf(error).includes(`'${isPath(name) ? resolve(name) : packageOf(name)}'`)

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

const isStoreFunction = (value: unknown): value is LatchkeyStore => typeof value === "function"
const isStoreLayer = (value: unknown): value is Layer.Layer<EventStore | ReadModel | Presence, unknown> =>
  Layer.isLayer(value)

const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error)
