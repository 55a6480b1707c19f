/**
 * The load generator: keep-alive connections on raw sockets, each with one request under way at a time. Requests come
 * ready to send, so that what is measured is the server; `children/ceiling.ts` shows how fast the generator itself is.
 */
import { connect, type Socket } from "node:net"
import { MAX_LATENCIES, type Sample, sampleOf } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Load {
  /** Of the servers that connections are dealt out to. */
  readonly ports: ReadonlyArray<number>
  /** For each connection, the requests that it sends in turn, over and over again. */
  readonly cycles: ReadonlyArray<ReadonlyArray<string>>
  /** Without it, each connection sends its requests once. */
  readonly seconds?: number
  /** Milliseconds from one request of a connection to its next, at least; none unless given. */
  readonly pace?: number
}

export interface Loaded {
  readonly sample: Sample
  /** Requests answered with a success, those at the very end included that the sample leaves out. */
  readonly answered: number
}

answerJobs(async ({ ports, cycles, seconds, pace = 0 }: Load): Promise<Loaded> => {
  const latencies = new Float64Array(MAX_LATENCIES)
  const sockets = await Promise.all(cycles.map((_, index) => open(ports[index % ports.length] ?? 0)))
  let answered = 0
  let timed = 0
  const begun = performance.now()
  const end = seconds === undefined ? Number.POSITIVE_INFINITY : begun + seconds * 1000
  await Promise.all(
    sockets.map((socket, index) =>
      converse(
        socket,
        (cycles[index] ?? []).map((text) => Buffer.from(text)),
        seconds === undefined,
        end,
        pace,
        (latency, now) => {
          answered++
          if (now > end) return
          latencies[timed % MAX_LATENCIES] = latency
          timed++
        }
      )
    )
  )
  const measured = seconds ?? (performance.now() - begun) / 1000
  return { sample: sampleOf(timed, measured, latencies.subarray(0, Math.min(timed, MAX_LATENCIES))), answered }
})

const open = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket))
    socket.once("error", reject)
  })

/** Sends requests one after the other until the end, or each once. Rejects on anything but a 2xx. */
const converse = (
  socket: Socket,
  requests: ReadonlyArray<Buffer>,
  once: boolean,
  end: number,
  pace: number,
  onAnswer: (latency: number, now: number) => void
): Promise<void> =>
  new Promise((resolve, reject) => {
    let next = 0
    let sentAt = 0
    let received: Buffer | undefined
    const send = () => {
      sentAt = performance.now()
      if (sentAt >= end || (once && next >= requests.length)) {
        socket.removeAllListeners().destroy()
        return resolve()
      }
      const request = requests[next++ % requests.length]
      if (request !== undefined) socket.write(request)
    }
    socket.on("data", (chunk: Buffer) => {
      received = received === undefined ? chunk : Buffer.concat([received, chunk])
      if (!isWhole(received)) return
      if (received[SUCCESS_AT] !== SUCCESS) return reject(new Error(`Not a success: ${received.toString()}`))
      received = undefined
      const now = performance.now()
      onAnswer(now - sentAt, now)
      if (pace > 0) setTimeout(send, Math.max(0, sentAt + pace - now))
      else send()
    })
    socket.once("error", reject)
    socket.once("close", () => reject(new Error("The server closed the connection.")))
    send()
  })

const SUCCESS_AT = "HTTP/1.1 ".length
const SUCCESS = "2".charCodeAt(0)

const isWhole = (response: Buffer): boolean => {
  const headEnd = response.indexOf("\r\n\r\n")
  if (headEnd < 0) return false
  const length = /content-length: (\d+)/i.exec(response.toString("latin1", 0, headEnd))?.[1]
  if (length === undefined) throw new Error("A response without Content-Length")
  return response.length >= headEnd + 4 + Number(length)
}
