/** What one tenant waits for while a user of another asks for as much as the connection carries. */
import { createHmac, randomUUID } from "node:crypto"
import { join } from "node:path"
import { type Benchmark, ratioBound } from "../benchmark.ts"
import { fillServer, startLatchkey } from "../latchkeyServer.ts"
import { API_KEY, deal, post, startGenerator, underLoad } from "../load.ts"
import { lockIds } from "../locks.ts"
import { measure, type Subject } from "../rounds.ts"

const JWT_SECRET = "a-secret-of-at-least-32-bytes-for-benchmarks"
/** One caller: what it waits for is the latency. */
const CALLERS = 1
const NOISY_CALLERS = 8

export const noisyTenant: Benchmark = {
  name: "noisy-tenant",
  title: `Latency of one tenant beside a user of another, who asks without pause: ${NOISY_CALLERS} callers`,
  run: async (run) => {
    const locks = lockIds(100)
    const noisyLock = locks.length + 1
    await using generator = await startGenerator()
    await using server = await startLatchkey(join(run.folder, "latchkey"), { LATCHKEY_JWT_SECRET: JWT_SECRET })
    await fillServer(generator, server, noisyLock, 0)
    const url = `http://127.0.0.1:${server.port}/locks/${noisyLock}`
    const json = { "content-type": "application/json" }
    await fetch(`${url}/SetOwner`, {
      method: "POST",
      headers: { ...json, "x-api-key": API_KEY },
      body: JSON.stringify({ userId: "noisy" })
    })
    const headers = { ...json, authorization: `Bearer ${tokenOf("noisy")}` }
    const noise: ReadonlyArray<() => RequestInit & { readonly path: string }> = [
      () => ({ path: "AddResident", method: "POST", body: JSON.stringify({ name: "x".repeat(60_000) }) }),
      () => ({
        path: "AddResident",
        method: "POST",
        body: JSON.stringify({ name: "x".repeat(200), userId: randomUUID() })
      }),
      () => ({ path: "BulkAddKeys", method: "POST", body: JSON.stringify({ keys: manyKeys() }) }),
      () => ({ path: "details" })
    ]
    const answered = new Map<number, number>()
    const alone = underLoad("beside nobody", generator, server, () =>
      deal(locks, CALLERS).map((ids) => ids.map((id) => post(`/locks/${id}/SetOwner`, { userId: randomUUID() })))
    )
    const besideNoise = async (load: Subject["measure"], seconds: number) => {
      let over = false
      const callers = Array.from({ length: NOISY_CALLERS }, async (_, n) => {
        for (let turn = n; !over; turn++) {
          const { path, ...request } = (noise[turn % noise.length] ?? (() => ({ path: "details" })))()
          const response = await fetch(`${url}/${path}`, { ...request, headers })
          await response.arrayBuffer()
          answered.set(response.status, (answered.get(response.status) ?? 0) + 1)
        }
      })
      const measured = load(seconds).finally(() => {
        over = true
      })
      const [sample] = await Promise.all([measured, ...callers])
      return sample
    }
    const figures = await measure(run, [
      alone,
      { name: "beside a noisy user", measure: (seconds) => besideNoise(alone.measure, seconds) }
    ])
    const statuses = [...answered].sort(([a], [b]) => a - b).map(([status, count]) => `${count} with ${status}`)
    return {
      figures,
      // Of one caller, the rate is one over the latency: at least two thirds of it is at most 1.5 times the latency.
      bounds: [ratioBound("beside a noisy user, beside nobody", figures[1], figures[0], 1 / 1.5)],
      notes: [`The noisy user was answered ${statuses.join(", ")}.`]
    }
  }
}

const manyKeys = () => Array.from({ length: 500 }, () => ({ keyUuid: randomUUID() }))

const tokenOf = (sub: string): string => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const exp = Math.floor(Date.now() / 1000) + 86_400
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ iss: "latchkey", aud: "latchkey", sub, exp })}`
  return `${signed}.${createHmac("sha256", JWT_SECRET).update(signed).digest("base64url")}`
}
