/** What a test needs to meet a started server. */
import { once } from "node:events"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

/** A port of this machine that nobody listens on. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("The probe for a free port has no port")
  return address.port
}

/** Waits until the server answers `/health`; fails when it `hasEnded` before, or after a minute. */
export const healthy = async (url: string, hasEnded: () => boolean): Promise<void> => {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
    if (hasEnded()) throw new Error("The server ended before it answered /health")
    const ok = await fetch(`${url}/health`).then(
      (response) => response.ok,
      () => false
    )
    if (ok) return
  }
  throw new Error(`${url}/health did not answer within a minute`)
}
