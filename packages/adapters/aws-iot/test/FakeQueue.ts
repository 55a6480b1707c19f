/** An SQS queue in this process, as far as a consumer meets it: long polling, visibility timeout, receipts. */
import { createHash, randomUUID } from "node:crypto"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect } from "effect"

interface Held {
  readonly id: string
  readonly body: string
  visibleAt: number
  receipt: string
  deliveries: number
}

export interface FakeQueue {
  readonly url: string
  readonly put: (body: string) => void
  /** Bodies of messages that are not deleted, with how often they were delivered. */
  readonly held: () => ReadonlyArray<readonly [body: string, deliveries: number]>
  /** From now on every request fails. */
  readonly breakDown: () => void
  /** From now on requests of this kind are never answered. */
  readonly hangAt: (action: "ReceiveMessage" | "DeleteMessageBatch") => void
  /** How many were not answered so far. */
  readonly hanging: () => number
}

interface Request {
  readonly MaxNumberOfMessages?: number
  readonly WaitTimeSeconds?: number
  readonly Entries?: ReadonlyArray<{ readonly Id: string; readonly ReceiptHandle: string }>
}

/** Messages that were delivered are hidden for so many milliseconds. */
export const fakeQueue = (visibilityTimeout: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const messages = new Map<string, Held>()
        let isBroken = false
        let silent = ""
        let hanging = 0

        const receive = async (request: IncomingMessage, { MaxNumberOfMessages = 1, WaitTimeSeconds = 0 }: Request) => {
          const deadline = Date.now() + 1000 * WaitTimeSeconds
          while (true) {
            const visible = [...messages.values()].filter(({ visibleAt }) => visibleAt <= Date.now())
            if (visible.length > 0 || Date.now() >= deadline || request.socket.destroyed) {
              return { Messages: visible.slice(0, MaxNumberOfMessages).map(deliver) }
            }
            await sleep(5)
          }
        }

        const deliver = (message: Held) => {
          message.visibleAt = Date.now() + visibilityTimeout
          message.receipt = randomUUID()
          message.deliveries++
          const MD5OfBody = createHash("md5").update(message.body).digest("hex")
          return { MessageId: message.id, ReceiptHandle: message.receipt, Body: message.body, MD5OfBody }
        }

        const remove = ({ Entries = [] }: Request) => {
          for (const { ReceiptHandle } of Entries) {
            for (const [id, { receipt }] of messages) if (receipt === ReceiptHandle) messages.delete(id)
          }
          return { Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] }
        }

        const server = createServer(async (request, response) => {
          const body = (await json(request)) as Request
          response.setHeader("content-type", "application/x-amz-json-1.0")
          if (isBroken) {
            response.writeHead(400)
            response.end(JSON.stringify({ __type: "com.amazonaws.sqs#QueueDoesNotExist", message: "It is gone." }))
            return
          }
          const action = request.headers["x-amz-target"]
          if (action === silent) return void hanging++
          const isReceive = action === "AmazonSQS.ReceiveMessage"
          response.end(JSON.stringify(isReceive ? await receive(request, body) : remove(body)))
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        const queue: FakeQueue = {
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/000000000000/reports`,
          put: (body) => {
            const id = randomUUID()
            messages.set(id, { id, body, visibleAt: 0, receipt: "", deliveries: 0 })
          },
          held: () => Array.from(messages.values(), ({ body, deliveries }) => [body, deliveries] as const),
          breakDown: () => (isBroken = true),
          hangAt: (action) => (silent = `AmazonSQS.${action}`),
          hanging: () => hanging
        }
        return { queue, server }
      }),
      ({ server }) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    ),
    ({ queue }) => queue
  )
