/** What AWS IoT, and brokers that tell of devices as it does, say when a connection has ended. */
import type { AbsenceReason } from "./Presence.ts"

const REASONS = new Map<string | undefined, AbsenceReason>([
  ["CLIENT_INITIATED_DISCONNECT", "saidGoodbye"],
  ["CONNECTION_LOST", "connectionLost"],
  ["MQTT_KEEP_ALIVE_TIMEOUT", "silent"],
  ["SERVER_ERROR", "serverGone"],
  ["SERVER_INITIATED_DISCONNECT", "serverGone"],
  ["API_INITIATED_DISCONNECT", "turnedAway"],
  ["AUTH_ERROR", "turnedAway"],
  ["CLIENT_ERROR", "turnedAway"],
  ["CUSTOMAUTH_TTL_EXPIRATION", "turnedAway"],
  ["FORBIDDEN_ACCESS", "turnedAway"],
  ["THROTTLED", "turnedAway"],
  ["WEBSOCKET_TTL_EXPIRATION", "turnedAway"]
])

/**
 * What a lifecycle event's `disconnectReason` says of the device: that it is gone, and why where that is known; `undefined` of one
 * that has connected anew, whose old connection it was.
 *
 * @example
 * ```ts
 * absenceSaid("MQTT_KEEP_ALIVE_TIMEOUT") // { online: false, reason: "silent" }
 * ```
 */
export const absenceSaid = (
  disconnectReason: string | undefined
): { readonly online: false; readonly reason?: AbsenceReason } | undefined => {
  if (disconnectReason === "DUPLICATE_CLIENTID") return undefined
  const reason = REASONS.get(disconnectReason)
  return { online: false, ...(reason !== undefined && { reason }) }
}
