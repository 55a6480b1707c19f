/**
 * Receives webhooks: checks who sent them, keeps each event once, and answers quickly. Run it with the secret that
 * `POST /webhooks` answered: `SECRET=whsec_… PORT=9000 node examples/receive-webhooks.ts`.
 */
import { createHmac, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingHttpHeaders } from "node:http"

/** How far the time of a delivery may be from ours, in seconds. */
const TOLERANCE = 300

/** Whether a delivery comes from the server that has the secret; `body` is what came, before anything has parsed it. */
export const isGenuine = (secret: string, headers: IncomingHttpHeaders, body: string, now: number): boolean => {
  const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = headers
  if (Math.abs(now / 1_000 - Number(at)) > TOLERANCE) return false
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64")
  const expected = Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64")}`)
  return String(signatures)
    .split(" ")
    .some((one) => one.length === expected.length && timingSafeEqual(Buffer.from(one), expected))
}

/** Tells of each event once, although it may come again. */
export const receiver = (secret: string, take: (event: unknown) => void) => {
  // A program of yours keeps ids with what it does, in one transaction.
  const seen = new Set<string>()
  return createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (text: string) => (body += text))
    request.on("end", () => {
      if (!isGenuine(secret, request.headers, body, Date.now())) return response.writeHead(401).end()
      const id = String(request.headers["webhook-id"])
      const event = JSON.parse(body)
      // A 2xx to the challenge makes the webhook active.
      if (event.type !== "WebhookVerification" && !seen.has(id)) take(event)
      seen.add(id)
      return response.writeHead(204).end()
    })
  })
}

const { SECRET, PORT } = process.env
if (SECRET !== undefined) receiver(SECRET, (event) => console.log(event)).listen(Number(PORT ?? 9000))
