/** What `latchkey demo` runs: a server, and beside it the locks and the partner that it talks to. */
import { randomBytes, randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { type AddressInfo, createServer as createSocket, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ApiKeys, Latchkey } from "@latchkey/core"
import { FAULTS, mqttWire, realTime, simulateFleet } from "@latchkey/simulator"
import { ConfigProvider, Effect, Layer, Option, Schema } from "effect"
import { apiKeysLayer } from "../auth/Secrets.ts"
import { type Adapters, application } from "./application.ts"
import { serverConfig } from "./Config.ts"
import { portNumber } from "./ConfigValues.ts"
import { DEMO_ORGANIZATION, demoHistory } from "./demoHistory.ts"
import { print } from "./output.ts"
import { signedToken } from "./tokens.ts"
import { visible } from "./visible.ts"

/** The demo cannot run as it is asked to; `message` says why. */
class DemoRefused extends Schema.TaggedError<DemoRefused>()("DemoRefused", { message: Schema.String }) {}

/** What the webhook is told of. */
const TOLD = ["LockOpenRequested", "TempKeyCreated", "TempKeyUsed"]

const HOST = "127.0.0.1"

/** Runs until it is interrupted. Without a folder, the data are gone with it. */
export const runDemo = Effect.fnUntraced(function* (adapters: Adapters, folder: Option.Option<string>) {
  const data = yield* Option.match(folder, { onNone: () => temporaryFolder, onSome: emptyFolder })
  const port = yield* freePort(portNumber(process.env["PORT"] ?? "") ?? 8787)
  const broker = yield* freePort(portNumber(process.env["LATCHKEY_MQTT_PORT"] ?? "") ?? 8788)
  const env = {
    HOST,
    PORT: String(port),
    LATCHKEY_DATA: data,
    LATCHKEY_MQTT_PORT: String(broker),
    LATCHKEY_SHADOW_PORT: "off",
    LATCHKEY_JWT_SECRET: randomBytes(32).toString("base64url")
  }
  const run = started(adapters, `http://${HOST}:${port}`, `mqtt://${HOST}:${broker}`)
  return yield* Effect.provide(run, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
})

const started = Effect.fnUntraced(function* (adapters: Adapters, url: string, broker: string) {
  yield* print({ type: "notice", message: "Making a year of history" }, "Making a year of history …")
  const { locks, key } = yield* filled(adapters)
  const { token } = yield* signedToken("ann")
  const show = Effect.gen(function* () {
    const names = new Map<string, string>(locks.map(({ uuid, name }) => [uuid, name]))
    const receiver = yield* webhookReceiver((uuid) => names.get(uuid))
    yield* subscribe(url, key, receiver)
    yield* connect(names, broker)
    const links = locks.flatMap(({ name, guest }) => (guest === undefined ? [] : [{ name, guest }]))
    const guests = links.map(({ name, guest }) => ({ name, url: `${url}/temp-keys/${guest}` }))
    const pages = { console: `${url}/console`, docs: `${url}/docs` }
    yield* print(
      { type: "demo", url, ...pages, guests, apiKey: key, token },
      [
        "",
        "Open in your browser:",
        ...guests.map((guest) => `  a guest's key to ${guest.name}: ${guest.url}`),
        `  the console: ${pages.console}`,
        `  the API: ${pages.docs}`,
        "Sign in to the console with one of these:",
        `  the API key of seaside: ${key}`,
        `  the token of Ann, who owns the locks: ${token}`,
        "Ctrl-C ends the demo.",
        ""
      ].join("\n")
    )
  })
  return yield* application(adapters, () => Effect.succeed([]), show)
})

/** Before anything listens, and without work in the background: what happened is written as fast as the store takes it. */
const filled = Effect.fnUntraced(function* (adapters: Adapters) {
  const config = yield* serverConfig
  const alone = {
    ...config,
    shadow: { _tag: "local", signIn: "open", rest: "off", mqtt: { _tag: "Off" } }
  } as const
  return yield* Effect.gen(function* () {
    const locks = yield* demoHistory
    const { secret } = yield* (yield* ApiKeys).create(DEMO_ORGANIZATION, { name: "demo" })
    return { locks, key: secret }
  }).pipe(Effect.provide(Layer.merge(Latchkey.layer(), apiKeysLayer()).pipe(Layer.provideMerge(adapters(alone)))))
})

/** Locks on a good connection, and a line for each opening. Keys are brought onto all of them first, which would fill the screen. */
const connect = Effect.fnUntraced(function* (names: ReadonlyMap<string, string>, url: string) {
  const tell = yield* teller
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      simulateFleet({
        things: [...names.keys()],
        seed: 1,
        faults: FAULTS.none,
        time: realTime,
        wireOf: (thing) => mqttWire({ url, thing }),
        onIncident: (incident) => {
          if (incident._tag !== "Ended" || incident.type === "AddKey") return
          const {
            thing,
            type: command,
            outcome: { outcome }
          } = incident
          const lock = names.get(thing)
          tell({ type: "lock", lock, command, outcome }, `lock: ${lock}: ${command} ${outcome}`)
        }
      })
    ),
    (fleet) => Effect.sync(fleet.stop)
  )
})

/** A partner that prints what it is told. Answers its address. */
const webhookReceiver = Effect.fnUntraced(function* (nameOf: (uuid: string) => string | undefined) {
  const tell = yield* teller
  // Nobody else knows the path.
  const path = `/${randomUUID()}`
  const server = createServer(async (request, response) => {
    if (request.url !== path) return void response.writeHead(404).end()
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    response.end()
    const told = JSON.parse(Buffer.concat(chunks).toString("utf8"))
    const { type = told["detail-type"], detail } = told
    const lock = nameOf(detail?.aggregateId)
    tell({ type: "webhook", lock, event: type }, `webhook: ${[lock, type].filter(Boolean).join(": ")}`)
  })
  yield* Effect.acquireRelease(listening(server, 0), () =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
  )
  return `http://${HOST}:${portOf(server)}${path}`
})

const subscribe = (url: string, key: string, receiver: string) =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(`${url}/webhooks`, {
        signal,
        method: "POST",
        headers: { "x-api-key": key, "content-type": "application/json" },
        body: JSON.stringify({ url: receiver, events: TOLD, description: "Printed by the demo" })
      })
      if (answer.status !== 201) throw new Error(`it answered ${answer.status}: ${await answer.text()}`)
      await answer.body?.cancel()
    },
    catch: (error) => new DemoRefused({ message: `The webhook cannot be made: ${error}` })
  })

const teller = Effect.map(Effect.context<never>(), (context) => {
  const run = Effect.runSyncWith(context)
  return (data: object, line: string) => run(print(data, visible(line)))
})

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "latchkey-demo-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** What is there already is not mixed with a demo. Made without its parents: where they cannot be, Node tries forever. */
const emptyFolder = (path: string) =>
  Effect.tryPromise({
    try: async () => {
      const isThere = existsSync(path)
      if (!isThere) await mkdir(path)
      return (await readdir(path)).length === 0
    },
    catch: (error) =>
      refusedFolder(path, `a folder is needed there (${error instanceof Error ? error.message : error})`)
  }).pipe(
    Effect.flatMap((isEmpty) =>
      isEmpty
        ? Effect.succeed(path)
        : refusedFolder(
            path,
            `it is not empty; name an empty folder, or a new one. To serve what an earlier demo has kept: LATCHKEY_DATA=${path} latchkey serve`
          )
    )
  )

const refusedFolder = (path: string, reason: string) => new DemoRefused({ message: `--folder ${path}: ${reason}` })

/** The port, or where it is in use, another one. */
const freePort = Effect.fnUntraced(function* (wanted: number) {
  const attempt = (port: number) =>
    Effect.scoped(
      Effect.gen(function* () {
        const socket = createSocket()
        yield* Effect.acquireRelease(listening(socket, port), () =>
          Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
        )
        return portOf(socket)
      })
    )
  return yield* Effect.catch(attempt(wanted), () => attempt(0))
})

const listening = (server: Server, port: number) =>
  Effect.callback<void, DemoRefused>((resume) => {
    const failed = ({ message }: Error) => resume(Effect.fail(new DemoRefused({ message })))
    server.once("error", failed)
    server.listen(port, HOST, () => {
      server.off("error", failed)
      resume(Effect.void)
    })
  })

const portOf = (server: { readonly address: () => AddressInfo | string | null }): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}
