/** The PIN on a guest's page: there only where its giver allows it, and only for who may use it now. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { OTHER_ORG, OWNER, organization } from "../harness/callers.ts"
import { type InProcess, startInProcess } from "../harness/inProcess.ts"
import { createLock, makeShared, shared } from "../harness/locks.ts"
import { callsOf } from "../harness/request.ts"
import { ask, HTML, makeLink } from "./guest.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const make = async (given: Readonly<Record<string, unknown>> = {}) => {
  const lock = await createLock(server.url)
  const { uuid, pin } = await makeShared(server.url, shared(lock.lockId, given))
  return { lock, uuid, pin: pin ?? expect.fail("no PIN") }
}
const pageOf = async (uuid: string) =>
  (await ask(`${server.url}/temp-keys/${uuid}`, { headers: { accept: HTML } })).text
/** The PIN as a page writes it. */
const pinOn = async (uuid: string) => />(\d{4} \d{4})</.exec(await pageOf(uuid))?.[1]?.replace(" ", "")
const change = (uuid: string, body: object) =>
  callsOf(server.url, organization)("PATCH", `/temp-keys/${uuid}`, { body })

describe("the PIN", () => {
  it("is not on the page unless its giver says so, and no more when they take that back", async () => {
    const { uuid, pin } = await make()
    expect((await pageOf(uuid)).includes(pin.slice(0, 4))).toBe(false)
    expect(await pinOn(uuid)).toBeUndefined()
    const allowed = await change(uuid, { showPin: true })
    expect([allowed.status, JSON.parse(allowed.text).showPin]).toEqual([200, true])
    expect(await pinOn(uuid)).toBe(pin)
    expect(JSON.parse((await change(uuid, { showPin: false })).text).showPin).toBe(false)
    expect(await pinOn(uuid)).toBeUndefined()
  })

  it("is there from the beginning where it was made so, and is the new one when there is a new one", async () => {
    const { uuid, pin } = await make({ showPin: true })
    expect(await pinOn(uuid)).toBe(pin)
    const again = await callsOf(server.url, organization)("POST", `/temp-keys/${uuid}/reissue-pin`)
    const next = JSON.parse(again.text).pin
    expect(next).not.toBe(pin)
    expect(await pinOn(uuid)).toBe(next)
  })

  it("is told to nobody who may not use it now", async () => {
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    const hidden = {
      "not yet": await make({ showPin: true, validFrom: soon }),
      "for others": await make({ showPin: true, accessMode: "user-whitelist", allowedUserIds: [OWNER] }),
      suspended: await make({ showPin: true }),
      withdrawn: await make({ showPin: true }),
      ended: await make({ showPin: true })
    }
    await callsOf(server.url, organization)("POST", `/temp-keys/${hidden.suspended.uuid}/suspend`)
    await hidden.withdrawn.lock.post("SetOrganization", { orgId: OTHER_ORG })
    await callsOf(server.url, organization)("DELETE", `/temp-keys/${hidden.ended.uuid}`)
    for (const [name, { uuid }] of Object.entries(hidden)) expect([name, await pinOn(uuid)]).toEqual([name, undefined])
  })

  it("is not shown while it cannot be told whether its giver may still give it", async () => {
    const { uuid, pin } = await make({ showPin: true })
    server.faults.readModel = "down"
    try {
      expect(await pageOf(uuid)).toContain("Your key is ready")
      expect(await pinOn(uuid)).toBeUndefined()
    } finally {
      server.faults.readModel = "ok"
    }
    expect(await pinOn(uuid)).toBe(pin)
  })

  it("is none of a key to one lock's own link, and nothing changes", async () => {
    const { uuid } = await makeLink(server)
    expect((await change(uuid, { showPin: true })).status).toBe(400)
  })
})
