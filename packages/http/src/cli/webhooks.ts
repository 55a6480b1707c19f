/** `latchkey webhooks`: where organizations are told of events. A server over the same store learns of a change within a moment. */
import { Deliver, Feed, instantOf, PartnerFeed, type ShownWebhook, Webhooks } from "@latchkey/core"
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { v7 } from "uuid"
import { OrganizationName } from "../auth/Secrets.ts"
import { webhookInfo } from "../partners/webhookInfo.ts"
import { print } from "./output.ts"
import { pageOf, paging, printPage } from "./page.ts"
import { visible } from "./visible.ts"
import { type StoreAdapters, withExistingStore } from "./withStore.ts"

export const webhooks = (adapters: StoreAdapters) =>
  Command.make("webhooks").pipe(
    Command.withDescription("The webhooks of organizations"),
    Command.withSubcommands([list(adapters), enable(adapters), disable(adapters)])
  )

/** Nothing is sent from here, and no secret shown. */
const nothing = Layer.succeed(Deliver, {
  send: () => Effect.succeed({ error: "Not a server", response: "", durationMs: 0 }),
  flawOf: () => "is not checked here",
  secretOf: () => ""
})
const services = Webhooks.layer.pipe(
  Layer.provide(nothing),
  Layer.provide(PartnerFeed.layer),
  Layer.provideMerge(Feed.layer)
)

const list = (adapters: StoreAdapters) =>
  Command.make(
    "list",
    paging,
    Effect.fnUntraced(
      function* ({ limit, after }) {
        const { all, get } = yield* Webhooks
        const ordered = all().toSorted((a, b) => compare(a.orgId, b.orgId) || a.createdAt - b.createdAt)
        const { rows, next } = yield* pageOf(ordered, ({ id }) => id, limit, Option.getOrUndefined(after))
        // How far behind one is, is counted: only those that are shown.
        const shown = yield* Effect.forEach(rows, ({ orgId, id }) => get(orgId, id))
        yield* printPage({ rows: shown, next }, { name: "webhooks", headings: HEADINGS, row, info })
      },
      Effect.provide(services),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("List webhooks with how far behind they are; secrets are never shown"))

const org = Flag.String("org").pipe(
  Flag.withSchema(OrganizationName),
  Flag.withDescription("Whose webhook it is; * is the operator")
)
const id = Argument.String("id").pipe(Argument.withDescription("The id of the webhook, as shown by the list"))

/** As it can be mended here, where nobody calls the API. */
class NoSuchWebhook extends Schema.TaggedError<NoSuchWebhook>()("NoSuchWebhook", {
  org: Schema.String,
  id: Schema.String
}) {
  override get message() {
    return `${this.org} has no webhook ${this.id}. "latchkey webhooks list" shows them.`
  }
}

const by = Effect.map(Clock.currentTimeMillis, (at) => ({ commandId: v7(), at, principal: { _tag: "Super" } as const }))

const enable = (adapters: StoreAdapters) =>
  Command.make(
    "enable",
    { org, id },
    Effect.fnUntraced(
      function* ({ org, id }) {
        const { enable } = yield* Webhooks
        const shown = yield* Effect.catchTag(
          enable(org, id, yield* by),
          "WebhookNotFound",
          () => new NoSuchWebhook({ org, id })
        )
        yield* print(info(shown), visible(`Enabled webhook ${id} of ${org}: it goes on where it was.`))
      },
      Effect.provide(services),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Go on with a webhook where it was"))

const disable = (adapters: StoreAdapters) =>
  Command.make(
    "disable",
    { org, id },
    Effect.fnUntraced(
      function* ({ org, id }) {
        const { disable } = yield* Webhooks
        const shown = yield* Effect.catchTag(
          disable(org, id, "Disabled by the operator.", yield* by),
          "WebhookNotFound",
          () => new NoSuchWebhook({ org, id })
        )
        yield* print(info(shown), visible(`Disabled webhook ${id} of ${org}: nothing is lost meanwhile.`))
      },
      Effect.provide(services),
      withExistingStore(adapters)
    )
  ).pipe(Command.withDescription("Send nothing to a webhook until it is enabled"))

const info = (shown: ShownWebhook) => ({ ...webhookInfo(shown), orgId: shown.webhook.orgId })

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const HEADINGS = ["ID", "ORG", "URL", "STATUS", "LAG", "LAST SUCCESS", "WHY"]

const row = ({ webhook, reason = "-", lag, lastSuccessAt }: ShownWebhook): ReadonlyArray<string> => [
  webhook.id,
  webhook.orgId,
  webhook.url,
  webhook.status,
  String(lag),
  lastSuccessAt === undefined ? "-" : instantOf(lastSuccessAt),
  reason
]
