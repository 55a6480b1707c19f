/** `latchkey devices`: the secrets with which devices sign in over MQTT, and devices that several locks claim. */
import { type DeviceSecret, DeviceSecrets, disputesIn, EventStore, instantOf } from "@latchkey/core"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { deviceSecretsLayer, OrganizationName, ThingName } from "../auth/Secrets.ts"
import { table } from "./table.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withExistingStore, withLog, withStore } from "./withStore.ts"

export const devices = (adapters: StoreAdapters) =>
  Command.make("devices").pipe(
    Command.withDescription("Devices: the secrets with which they sign in, and conflicts over them"),
    Command.withSubcommands([create(adapters), list(adapters), revoke(adapters), conflicts(adapters)])
  )

const create = (adapters: StoreAdapters) =>
  Command.make(
    "create",
    {
      thing: Argument.String("thing").pipe(
        Argument.withSchema(ThingName),
        Argument.withDescription("The name of the device: the uuid of its lock")
      ),
      org: Flag.String("org").pipe(
        Flag.withSchema(OrganizationName),
        Flag.optional,
        Flag.withDescription("Whose device it is: this organization may create a lock with it, others need proof")
      )
    },
    Effect.fnUntraced(
      function* ({ thing, org }) {
        const orgId = Option.getOrUndefined(org)
        const { secretId, secret, claimCode } = yield* (yield* DeviceSecrets).create(thing, orgId)
        // The secret is all of stdout, so that a script can take it.
        yield* Console.log(secret)
        const whose = orgId === undefined ? "" : `, a device of ${orgId}`
        yield* Console.error(`Made secret ${secretId} of ${thing}. It is shown only once.`)
        yield* Console.error(visible(`Claim code, to print on the device${whose}: ${claimCode}`))
      },
      Effect.provide(deviceSecretsLayer),
      withStore(adapters)
    )
  ).pipe(
    Command.withDescription(
      "Create a secret and a claim code for a device and show them once; its other secrets stay valid"
    )
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

const conflicts = (adapters: StoreAdapters) =>
  Command.make(
    "conflicts",
    {},
    Effect.fnUntraced(function* () {
      const found = yield* disputesIn(yield* EventStore)
      const rows = found.flatMap(({ thing, lockIds }) => lockIds.map((lockId) => [thing, String(lockId)]))
      yield* Console.log(table(["THING", "LOCK"], rows))
    }, withLog(adapters))
  ).pipe(
    Command.withDescription(
      "List the devices that several locks claim: those locks open nothing until you decide, see docs/devices-and-locks.md"
    )
  )

const HEADINGS = ["ID", "THING", "CREATED", "REVOKED", "CLAIMED", "ORGANIZATION"]

const row = (secret: DeviceSecret): ReadonlyArray<string> => {
  const { secretId, thing, createdAt, revokedAt, claimCodeUsedAt, orgId } = secret
  return [
    secretId,
    thing,
    instantOf(createdAt),
    ...[revokedAt, claimCodeUsedAt].map((at) => (at === undefined ? "-" : instantOf(at))),
    visible(orgId ?? "-")
  ]
}
