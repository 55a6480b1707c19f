/** `latchkey devices`: the secrets with which devices sign in over MQTT, and devices that several locks claim. */
import { type DeviceSecret, DeviceSecrets, disputesIn, EventStore, instantOf } from "@latchkey/core"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { deviceSecretsLayer, OrganizationName, ThingName } from "../auth/Secrets.ts"
import { print, printSecret } from "./output.ts"
import { pageOf, paging, printPage } from "./page.ts"
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
        const whose = orgId === undefined ? "" : `, a device of ${orgId}`
        yield* printSecret(
          { id: secretId, thing, secret, claimCode, orgId: orgId ?? null },
          secret,
          `Made secret ${secretId} of ${thing}. It is shown only once.`,
          `Claim code, to print on the device${whose}: ${claimCode}`
        )
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
    { ...paging, after },
    Effect.fnUntraced(
      function* ({ limit, after }) {
        const { secrets, next } = yield* (yield* DeviceSecrets).page(
          Option.getOrElse(after, () => 0),
          limit
        )
        const page = { rows: secrets, next: next === undefined ? undefined : String(next) }
        yield* printPage(page, { name: "secrets", headings: HEADINGS, row, info })
      },
      Effect.provide(deviceSecretsLayer),
      withLog(adapters)
    )
  ).pipe(Command.withDescription("List secrets by id, oldest first, never the secrets themselves"))

const revoke = (adapters: StoreAdapters) =>
  Command.make(
    "revoke",
    {
      secretId: Argument.String("secretId").pipe(Argument.withDescription("The id of the secret, as shown by the list"))
    },
    Effect.fnUntraced(
      function* ({ secretId }) {
        const revoked = yield* (yield* DeviceSecrets).revoke(secretId)
        yield* print(info(revoked), visible(`Revoked secret ${secretId} of ${revoked.thing}.`))
      },
      Effect.provide(deviceSecretsLayer),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Revoke a secret permanently; the device is disconnected"))

const conflicts = (adapters: StoreAdapters) =>
  Command.make(
    "conflicts",
    paging,
    Effect.fnUntraced(function* ({ limit, after }) {
      const found = yield* disputesIn(yield* EventStore)
      const page = yield* pageOf(found, ({ thing }) => thing, limit, Option.getOrUndefined(after))
      yield* printPage(page, {
        name: "conflicts",
        headings: ["THING", "LOCKS"],
        row: ({ thing, lockIds }) => [thing, lockIds.join(", ")],
        info: ({ thing, lockIds }) => ({ thing, lockIds })
      })
    }, withLog(adapters))
  ).pipe(
    Command.withDescription(
      "List the devices that several locks claim: those locks open nothing until you decide, see docs/devices-and-locks.md"
    )
  )

/** Secrets are numbered as they are made. */
const after = Flag.Int("after").pipe(
  Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { expected: "what the page before has said" }))),
  Flag.withDescription("Where the page before has ended, as it said itself"),
  Flag.optional
)

const info = (secret: DeviceSecret) => ({
  id: secret.secretId,
  thing: secret.thing,
  orgId: secret.orgId ?? null,
  createdAt: instantOf(secret.createdAt),
  revokedAt: secret.revokedAt === undefined ? null : instantOf(secret.revokedAt),
  claimCodeUsedAt: secret.claimCodeUsedAt === undefined ? null : instantOf(secret.claimCodeUsedAt)
})

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
