/** `latchkey devices`: the secrets with which devices sign in over MQTT. */
import { type DeviceSecret, DeviceSecrets, instantOf } from "@latchkey/core"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { deviceSecretsLayer, ThingName } from "../auth/Secrets.ts"
import { table } from "./table.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withExistingStore, withLog, withStore } from "./withStore.ts"

export const devices = (adapters: StoreAdapters) =>
  Command.make("devices").pipe(
    Command.withDescription("The secrets with which devices sign in"),
    Command.withSubcommands([create(adapters), list(adapters), revoke(adapters)])
  )

const create = (adapters: StoreAdapters) =>
  Command.make(
    "create",
    {
      thing: Argument.String("thing").pipe(
        Argument.withSchema(ThingName),
        Argument.withDescription("The name of the device: the uuid of its lock")
      )
    },
    Effect.fnUntraced(
      function* ({ thing }) {
        const { secretId, secret } = yield* (yield* DeviceSecrets).create(thing)
        // The secret is all of stdout, so that a script can take it.
        yield* Console.log(secret)
        yield* Console.error(`Made secret ${secretId} of ${thing}. It is shown only once.`)
      },
      Effect.provide(deviceSecretsLayer),
      withStore(adapters)
    )
  ).pipe(
    Command.withDescription("Create a secret for a device and show it once; the device's other secrets stay valid")
  )

const list = (adapters: StoreAdapters) =>
  Command.make(
    "list",
    {},
    Effect.fnUntraced(
      function* () {
        const secrets = yield* (yield* DeviceSecrets).list
        yield* Console.log(table(HEADINGS, secrets.map(row)))
      },
      Effect.provide(deviceSecretsLayer),
      withLog(adapters)
    )
  ).pipe(Command.withDescription("List all secrets by id, never the secrets themselves"))

const revoke = (adapters: StoreAdapters) =>
  Command.make(
    "revoke",
    {
      secretId: Argument.String("secretId").pipe(Argument.withDescription("The id of the secret, as shown by the list"))
    },
    Effect.fnUntraced(
      function* ({ secretId }) {
        const { thing } = yield* (yield* DeviceSecrets).revoke(secretId)
        yield* Console.log(visible(`Revoked secret ${secretId} of ${thing}.`))
      },
      Effect.provide(deviceSecretsLayer),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Revoke a secret permanently; the device is disconnected"))

const HEADINGS = ["ID", "THING", "CREATED", "REVOKED"]

const row = ({ secretId, thing, createdAt, revokedAt }: DeviceSecret): ReadonlyArray<string> => [
  secretId,
  thing,
  instantOf(createdAt),
  revokedAt === undefined ? "-" : instantOf(revokedAt)
]
