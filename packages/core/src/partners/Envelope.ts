/** An event as it is sent to partners: the envelope that EventBridge has made common, as the contract publishes it. Pure. */
import { Context } from "effect"
import { instantOf } from "../values/Text.ts"
import { cursorOf } from "./Cursor.ts"
import type { Told } from "./Told.ts"

/** What every envelope says of where it comes from. */
export interface Origin {
  readonly region: string
  readonly account: string
}

/** Where envelopes say that they come from. */
export const CurrentOrigin = Context.Reference<Origin>("@latchkey/core/CurrentOrigin", {
  defaultValue: () => ({ region: "local", account: "000000000000" })
})

/** What a partner receives for one event: by webhook, by `GET /events` and by the stream. */
export interface Envelope {
  readonly id: string
  readonly source: "spk.api"
  readonly "detail-type": string
  readonly time: string
  readonly region: string
  readonly account: string
  readonly version: "0"
  readonly resources: ReadonlyArray<string>
  readonly detail: {
    readonly partnerId: string
    readonly aggregateType: Told["aggregateType"]
    readonly aggregateId: string
    readonly version: number
    readonly timestamp: number
    readonly cursor: string
    readonly data: Told["data"]
  }
}

/** @param feed whose feed its cursor is of; `*` for all */
export const envelopeOf = (told: Told, feed: string, { region, account }: Origin): Envelope => ({
  id: told.id,
  source: "spk.api",
  "detail-type": told.data.type,
  time: instantOf(told.at),
  region,
  account,
  version: "0",
  resources: [],
  detail: {
    partnerId: told.orgId,
    aggregateType: told.aggregateType,
    aggregateId: told.aggregateId,
    version: told.version,
    timestamp: told.at,
    cursor: cursorOf(feed, told.position),
    data: told.data
  }
})
