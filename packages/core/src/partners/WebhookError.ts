/** Why something about webhooks is refused. */
import { Schema } from "effect"
import { MOST_REPLAYS, MOST_WEBHOOKS } from "./Webhook.ts"

/** The organization has no webhook with this id. */
export class WebhookNotFound extends Schema.TaggedError<WebhookNotFound>()("WebhookNotFound", {}) {
  override get message() {
    return "There is no such webhook. GET /webhooks lists those of the organization."
  }
}

/** The organization has as many webhooks as it may have. */
export class TooManyWebhooks extends Schema.TaggedError<TooManyWebhooks>()("TooManyWebhooks", {}) {
  override get message() {
    return `The organization has ${MOST_WEBHOOKS} webhooks already. Delete one that is not needed.`
  }
}

/** Nothing is sent to such an address; `flaw` says why. */
export class UrlRefused extends Schema.TaggedError<UrlRefused>()("UrlRefused", { flaw: Schema.String }) {
  readonly field = "url"
  override get message() {
    return `Events are not sent to this URL: it ${this.flaw}.`
  }
}

/** Replays are asked for faster than they are carried out. */
export class TooManyReplays extends Schema.TaggedError<TooManyReplays>()("TooManyReplays", {}) {
  readonly retryAfter = 60
  override get message() {
    return `${MOST_REPLAYS} replays of this webhook are waiting. Try again when one of them is done.`
  }
}

/** The webhook was not to be told of such an event. */
export class DeliveryNotFound extends Schema.TaggedError<DeliveryNotFound>()("DeliveryNotFound", {}) {
  override get message() {
    return "The organization has no such event. GET /webhooks/{id}/deliveries lists those that were sent."
  }
}
