/** Clients of `GET /events/stream`: they count what they are told, or stop reading. */
import { connect, type Socket } from "node:net"
import { answerJobs } from "./answerJobs.ts"

export type Job =
  /** Opens so many more streams; answers once each has the head of its answer. */
  | { readonly open: number; readonly port: number; readonly request: string }
  /** Waits until each was told of so many events; answers when the last was, epoch milliseconds. */
  | { readonly told: number }

interface Client {
  readonly socket: Socket
  told: number
}

const clients: Array<Client> = []
const EVENT = Buffer.from("\nevent: ")
let whenTold: (() => void) | undefined

const open = (port: number, request: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(request))
    const client = { socket, told: 0 }
    clients.push(client)
    socket.on("data", (chunk: Buffer) => {
      resolve()
      for (let at = chunk.indexOf(EVENT); at >= 0; at = chunk.indexOf(EVENT, at + 1)) client.told++
      whenTold?.()
    })
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("The server closed a stream.")))
  })

answerJobs(async (job: Job): Promise<number> => {
  if ("open" in job) {
    // A few at a time: a server takes so many at once.
    for (let left = job.open; left > 0; left -= 100) {
      await Promise.all(Array.from({ length: Math.min(100, left) }, () => open(job.port, job.request)))
    }
    return clients.length
  }
  await new Promise<void>((resolve) => {
    whenTold = () => {
      if (clients.every(({ told }) => told >= job.told)) resolve()
    }
    whenTold()
  })
  whenTold = undefined
  return Date.now()
})
