/** `latchkey keys`: API keys of organizations. A server over the same store learns of a change within a moment. */
import { type ApiKey, ApiKeys, instantOf, SCOPES, Scope } from "@latchkey/core"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { apiKeyInfo } from "../api-keys/apiKeyInfo.ts"
import { apiKeysLayer, OrganizationName } from "../auth/Secrets.ts"
import { expiresIn } from "./expiry.ts"
import { print, printSecret } from "./output.ts"
import { pageOf, paging, printPage } from "./page.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withExistingStore, withLog, withStore } from "./withStore.ts"

export const keys = (adapters: StoreAdapters) =>
  Command.make("keys").pipe(
    Command.withDescription("The API keys of organizations"),
    Command.withSubcommands([create(adapters), list(adapters), revoke(adapters)])
  )

const Name = Schema.String.check(Schema.isPattern(/^[^\p{Cc}]+$/u, { expected: "a name in one line" }))

/** Several in one word, with commas between them. */
const listed = (element: string, expected: string) =>
  Schema.String.check(Schema.isPattern(new RegExp(`^(?:${element})(?:,(?:${element}))*$`), { expected }))
const Scopes = listed(SCOPES.join("|"), `some of ${SCOPES.join(",")}`)
const LockNumbers = listed("[1-9][0-9]{0,14}", "numbers of locks, as 42,43")
const isScope = Schema.is(Scope)

const org = Flag.String("org").pipe(Flag.withSchema(OrganizationName))

const create = (adapters: StoreAdapters) =>
  Command.make(
    "create",
    {
      org: org.pipe(
        Flag.withDescription("The organization that gets the key; * creates a super key, which may do everything")
      ),
      name: Flag.String("name").pipe(
        Flag.withSchema(Name),
        Flag.withDescription("What it is for; shown by the list"),
        Flag.optional
      ),
      scopes: Flag.String("scopes").pipe(
        Flag.withSchema(Scopes),
        Flag.withDescription(
          `What it is for, separated by commas: ${SCOPES.join(", ")}; without it, everything but to manage API keys`
        ),
        Flag.optional
      ),
      locks: Flag.String("locks").pipe(
        Flag.withSchema(LockNumbers),
        Flag.withDescription("The locks that it is for, separated by commas; without it, all of the organization"),
        Flag.optional
      ),
      expiresAt: expiresIn.pipe(Flag.optional)
    },
    Effect.fnUntraced(
      function* ({ org, name, scopes, locks, expiresAt }) {
        const apiKeys = yield* ApiKeys
        const { keyId, secret } = yield* apiKeys.create(org, {
          ...(Option.isSome(name) && { name: name.value }),
          ...(Option.isSome(expiresAt) && { expiresAt: expiresAt.value }),
          ...((Option.isSome(scopes) || Option.isSome(locks)) && {
            limits: {
              ...(Option.isSome(scopes) && { scopes: scopes.value.split(",").filter(isScope) }),
              ...(Option.isSome(locks) && { locks: locks.value.split(",").map(Number) })
            }
          })
        })
        yield* printSecret(
          { id: keyId, orgId: org, key: secret },
          secret,
          `Made key ${keyId} of ${org}. It is shown only once.`
        )
      },
      Effect.provide(apiKeysLayer()),
      withStore(adapters)
    )
  ).pipe(Command.withDescription("Create a key and show it once"))

const list = (adapters: StoreAdapters) =>
  Command.make(
    "list",
    { org: org.pipe(Flag.withDescription("List only this organization's keys"), Flag.optional), ...paging },
    Effect.fnUntraced(
      function* ({ org, limit, after }) {
        const apiKeys = yield* ApiKeys
        const all = yield* Option.isNone(org) ? apiKeys.list : apiKeys.of(org.value)
        const page = yield* pageOf(all, ({ keyId }) => keyId, limit, Option.getOrUndefined(after))
        yield* printPage(page, { name: "apiKeys", headings: HEADINGS, row, info })
      },
      Effect.provide(apiKeysLayer()),
      withLog(adapters)
    )
  ).pipe(Command.withDescription("List keys, oldest first, without their secrets"))

const revoke = (adapters: StoreAdapters) =>
  Command.make(
    "revoke",
    { keyId: Argument.String("keyId").pipe(Argument.withDescription("The id of the key, as shown by the list")) },
    Effect.fnUntraced(
      function* ({ keyId }) {
        const apiKeys = yield* ApiKeys
        const revoked = yield* apiKeys.revoke(keyId)
        yield* print(info(revoked), visible(`Revoked key ${keyId} of ${revoked.orgId}.`))
      },
      Effect.provide(apiKeysLayer()),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Revoke a key permanently"))

const info = (key: ApiKey) => ({ ...apiKeyInfo(key), orgId: key.orgId })

const HEADINGS = ["ID", "ORG", "NAME", "CREATED", "EXPIRES", "REVOKED", "SCOPES", "LOCKS"]

const row = ({ keyId, orgId, name = "-", createdAt, expiresAt, revokedAt, limits }: ApiKey): ReadonlyArray<string> => [
  keyId,
  orgId,
  name,
  instantOf(createdAt),
  expiresAt === undefined ? "-" : instantOf(expiresAt),
  revokedAt === undefined ? "-" : instantOf(revokedAt),
  limits?.scopes?.join(",") ?? "-",
  limits?.locks?.join(",") ?? "-"
]
