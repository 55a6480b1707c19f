import { instantOf, type ShownWebhook } from "@latchkey/core"

/** A webhook on the wire. */
export const webhookInfo = ({ webhook, reason, lag, lastSuccessAt }: ShownWebhook) => ({
  id: webhook.id,
  url: webhook.url,
  events: webhook.events,
  lockIds: webhook.lockIds ?? null,
  description: webhook.description ?? null,
  signature: webhook.signature,
  payload: webhook.payload,
  status: webhook.status,
  statusReason: reason ?? null,
  lag,
  lastSuccessAt: lastSuccessAt === undefined ? null : instantOf(lastSuccessAt),
  createdAt: instantOf(webhook.createdAt)
})
