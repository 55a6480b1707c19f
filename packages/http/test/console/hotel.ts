/** A hotel with something on every page of the console, and an address for each of them. */
import { Effect } from "effect"
import { expect, vi } from "vitest"
import { routes } from "../../src/console/routes.ts"
import { ORG, organization } from "../harness/callers.ts"
import type { InProcess } from "../harness/inProcess.ts"
import { furnishedLock, makeShared, newLockId, newUuid, shared, type TestLock } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { startReceiver } from "../partners/receiver.ts"

const PATIENCE = { timeout: 60_000, interval: 20 }
const DAY = 86_400_000

export interface Hotel extends AsyncDisposable {
  /** Every page of the console: where it is to be seen. */
  readonly paths: ReadonlyArray<string>
}

/** Needs a server whose webhooks may be on this machine. `word` is part of whatever somebody calls something. */
export const openHotel = async (server: InProcess, word = ""): Promise<Hotel> => {
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await callsOf(server.url, organization)(method, path, body === undefined ? {} : { body })
    expect([method, path, answer.status < 300, answer.text]).toEqual([method, path, true, expect.any(String)])
    // biome-ignore lint/suspicious/noExplicitAny: each line knows what it asked for
    return JSON.parse(answer.text) as any
  }
  const report = (what: Parameters<InProcess["shadow"]["report"]>[0]) => Effect.runPromise(server.shadow.report(what))

  const receiver = await startReceiver(({ body }) => (body["detail-type"] === "LockOpenRequested" ? 400 : 200))
  const webhook = await ask("POST", "/webhooks", { url: receiver.url, description: `Our books${word}` })
  await vi.waitUntil(async () => (await ask("GET", `/webhooks/${webhook.id}`)).status === "active", PATIENCE)
  const apiKey = await ask("POST", "/api-keys", { scopes: ["read"], name: `Front desk${word}` })

  const lock = await furnishedLock(server.url)
  const page = `/console/locks/${lock.lockId}`
  await lock.post("describe-lock", {
    name: `Room 12, “sea view”${word}`,
    timeZone: "Pacific/Auckland",
    address: `Harbour Street 1, 1010 Auckland${word}`,
    contact: `Reception, +64 9 000 000${word}`,
    instructions: `Second floor, to the left.${word}`
  })
  await lock.post("AddResident", { name: `Ben${word}`, email: `ben@example.org${word}`, userId: `ben${word}` })
  await lock.post("AddKey", { keyUuid: `key of Ben${word}`, userId: `ben${word}`, keyIndexNumber: 7 })
  const thing = lock.uuid
  const now = Date.now()
  for (const [days, battery] of [
    [3, 90],
    [2, 60],
    [1, 9]
  ] as const) {
    const reported = {
      state: { battery, bolt: "locked", door: "forced", firmware: `2.4.1${word}`, clock: now - days * DAY }
    }
    await report({ _tag: "State", thing, at: now - days * DAY, reported })
  }
  await comesAndGoes(server, lock, now)
  await lock.post("OpenLock", { reason: `concierge${word}` })
  const past = {
    validFrom: "2020-01-01T00:00:00Z",
    validUntil: "2020-01-02T00:00:00Z",
    description: `Mr Miller${word}`
  }
  const expired = await makeShared(server.url, shared(lock.lockId, past))
  await callsOf(server.url)("POST", `/temp-keys/${expired.uuid}/doors/1/open`, {
    headers: { accept: "application/json" }
  })
  const windows = [{ days: ["tuesday", "friday"], from: "22:00", to: "02:00" }]
  const cleaner = await ask(
    "POST",
    "/temp-keys",
    shared(lock.lockId, { description: `Cleaner${word}`, schedule: { timeZone: "Pacific/Auckland", windows } })
  )
  const retired = newLockId()
  await ask("POST", `/locks/${retired}/CreateLock`, { index: 1, uuid: newUuid() })

  const givenUp = async () => (await ask("GET", `/webhooks/${webhook.id}/deliveries?outcome=given-up`)).deliveries
  await vi.waitUntil(async () => (await givenUp()).length > 0, PATIENCE)
  await vi.waitUntil(
    async () => (await ask("GET", `/locks/${lock.lockId}/details`)).deviceState?.battery === 9,
    PATIENCE
  )
  // What a page says of a command changes once it is too late for it.
  await vi.waitUntil(async () => {
    const { pendingCommands } = await ask("GET", `/locks/${lock.lockId}/details`)
    const now = new Date().toISOString()
    return pendingCommands.every(({ expiresAt }: { readonly expiresAt?: string }) => (expiresAt ?? "") <= now)
  }, PATIENCE)
  const [{ eventId }] = await givenUp()

  const step = `/console/temp-keys/new?doors=${lock.lockId}`
  const key = `/console/temp-keys/${cleaner.id}`
  const hook = `/console/webhooks/${webhook.id}`
  const pages: Readonly<Record<string, ReadonlyArray<string>>> = {
    "/console": ["/console"],
    "/console/attention": ["/console/attention"],
    "/console/health": ["/console/health"],
    "/console/locks": [
      "/console/locks",
      "/console/locks?q=room&battery=low",
      "/console/locks?attention=offline&sort=name"
    ],
    "/console/locks/new": ["/console/locks/new"],
    "/console/locks/:id": [page, `${page}?kind=openings`, `${page}?who=${encodeURIComponent(`nobody${word}`)}`],
    // The events of the page above, for its script.
    "/console/locks/:id/live": [],
    "/console/locks/:id/why": [`${page}/why`, `${page}/why?what=user&who=${encodeURIComponent(`nobody${word}`)}`],
    "/console/locks/:id/open": [`${page}/open`],
    "/console/locks/:id/describe-lock": [`${page}/describe-lock`],
    "/console/locks/:id/retire-lock": [`/console/locks/${retired}/retire-lock`],
    "/console/locks/:id/sync": [`${page}/sync`],
    "/console/locks/:id/remove-inherited-keys": [`${page}/remove-inherited-keys`],
    "/console/locks/:id/device": [`${page}/device`],
    "/console/locks/:id/change-device": [`${page}/change-device`],
    "/console/locks/:id/move-claim": [`${page}/move-claim`],
    "/console/locks/:id/remove-key": [`${page}/remove-key?key=${encodeURIComponent(`somebody-elses${word}`)}`],
    "/console/locks/:id/pictures": [`${page}/pictures`],
    "/console/temp-keys": ["/console/temp-keys", `/console/temp-keys?lockId=${lock.lockId}&status=expired`],
    "/console/temp-keys/new": [
      step,
      `${step}&step=when`,
      `${step}&step=who&zone=UTC&from=2030-01-01T10:00&until=2030-02-01T10:00&days0=friday&from0=22:00&to0=02:00`
    ],
    "/console/temp-keys/:id": [key],
    "/console/temp-keys/:id/suspend": [`${key}/suspend`],
    "/console/temp-keys/:id/resume": [`${key}/resume`],
    "/console/temp-keys/:id/new-link": [`${key}/new-link`],
    "/console/temp-keys/:id/reissue-pin": [`${key}/reissue-pin`],
    "/console/temp-keys/:id/change": [`${key}/change`],
    "/console/temp-keys/:id/end": [`${key}/end`],
    "/console/webhooks": ["/console/webhooks"],
    "/console/webhooks/new": ["/console/webhooks/new"],
    "/console/webhooks/:id": [hook, `${hook}?outcome=given-up`],
    "/console/webhooks/:id/change": [`${hook}/change`],
    "/console/webhooks/:id/test": [`${hook}/test`],
    "/console/webhooks/:id/disable": [`${hook}/disable`],
    "/console/webhooks/:id/enable": [`${hook}/enable`],
    "/console/webhooks/:id/rotate-secret": [`${hook}/rotate-secret`],
    "/console/webhooks/:id/replay": [`${hook}/replay`],
    "/console/webhooks/:id/deliveries/:eventId/retry": [`${hook}/deliveries/${eventId}/retry`],
    "/console/webhooks/:id/deliveries/:eventId/dismiss": [`${hook}/deliveries/${eventId}/dismiss`],
    "/console/webhooks/:id/delete": [`${hook}/delete`],
    "/console/api-keys": ["/console/api-keys"],
    "/console/api-keys/new": ["/console/api-keys/new"],
    "/console/api-keys/:keyId/revoke": [`/console/api-keys/${apiKey.id}/revoke`]
  }
  expect(Object.keys(pages).sort()).toEqual(Object.keys(routes).sort())
  return { paths: Object.values(pages).flat(), [Symbol.asyncDispose]: () => receiver.stop() }
}

/** What would be told of a lock's device over some days. */
const comesAndGoes = ({ store }: InProcess, { lockId, uuid }: TestLock, now: number) => {
  const told = (type: "DeviceOnline" | "DeviceOffline", days: number, more = {}) => {
    const at = now - days * DAY
    const data = { lockId, since: at, ...more }
    const eventId = `presence-${uuid}-${at}`
    const principal = { _tag: "System" } as const
    return { eventId: `${eventId}-1`, commandId: eventId, type, data, at: now, orgId: ORG, principal }
  }
  const events = [
    told("DeviceOnline", 6),
    told("DeviceOffline", 3, { reason: "silent" }),
    told("DeviceOnline", 2.5),
    told("DeviceOffline", 0.5, { reason: "connectionLost" })
  ]
  const append = [{ streamId: `presence-${uuid}`, expectedVersion: 0, events }]
  return Effect.runPromise(store.write({ append }))
}
