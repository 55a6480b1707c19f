/** Temp keys with weekly windows over HTTP: what their lists carry, and that nothing changes for keys without. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type InProcess, startInProcess } from "./harness/inProcess.ts"
import { furnishedLock, historyOf, tempKey } from "./harness/locks.ts"

let server: InProcess
beforeAll(async () => void (server = await startInProcess()))
afterAll(() => server.stop())

const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
/** Open for the whole of one day in UTC: so many days from now. */
const openOn = (daysFromNow: number) => {
  const day = DAYS[(new Date().getUTCDay() + daysFromNow + 7) % 7]
  return { timeZone: "UTC", windows: [{ days: [day], from: "00:00", to: "00:00" }] }
}
const always = { timeZone: "Asia/Kathmandu", windows: [{ days: DAYS, from: "00:00", to: "00:00" }] }
const inAWeek = new Date(Date.now() + 8 * 86_400_000).toISOString()

describe("a temp key with a schedule", () => {
  it("opens in its windows alone, and its list says when that changes", async () => {
    const lock = await furnishedLock(server.url)
    const closed = { ...tempKey({ validUntil: inAWeek }), schedule: openOn(3) }
    const open = { ...tempKey({ validUntil: inAWeek }), schedule: always }
    for (const key of [closed, open]) expect((await lock.post("create-temp-key", key)).status).toBe(200)

    const { body } = await lock.get("temp-keys")
    const [plain, ...scheduled] = (body as unknown as { readonly tempKeys: ReadonlyArray<object> }).tempKeys
    const opens = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10)
    expect(scheduled).toMatchObject([
      { status: "not-yet-valid", schedule: closed.schedule, nextChangeAt: `${opens}T00:00:00.000Z` },
      { status: "valid", schedule: open.schedule, nextChangeAt: inAWeek }
    ])
    expect(Object.keys(plain ?? {})).not.toContain("schedule")
    expect(Object.keys(plain ?? {})).not.toContain("nextChangeAt")

    const refused = await lock.post("use-temp-key", { tempKeyUuid: closed.tempKeyUuid })
    expect([refused.status, refused.body.error]).toEqual([400, "Temp key not valid"])
    expect((await lock.post("use-temp-key", { tempKeyUuid: open.tempKeyUuid })).status).toBe(200)
  })

  it("that has expired changes no more", async () => {
    const lock = await furnishedLock(server.url)
    const dates = { validFrom: "2020-01-01T00:00Z", validUntil: "2020-02-01T00:00Z" }
    await lock.post("create-temp-key", tempKey({ ...dates, schedule: always }))
    const { body } = await lock.get("temp-keys")
    expect(body).toMatchObject({ tempKeys: [{}, { status: "expired", nextChangeAt: null }] })
  })

  it("is given its schedule, and has it taken away, by events that show nothing of it", async () => {
    const lock = await furnishedLock(server.url)
    const { tempKeyUuid } = lock
    const update = async (schedule: unknown) =>
      (await lock.post("update-temp-key", { tempKeyUuid, schedule })).body.event
    expect((await update(openOn(3)))?.data["changes"]).toEqual({})
    expect((await lock.post("use-temp-key", { tempKeyUuid })).status).toBe(400)
    expect(await update({ ...openOn(3), timeZone: "utc" })).toBeNull()
    expect((await update(null))?.data["changes"]).toEqual({})
    expect((await lock.post("use-temp-key", { tempKeyUuid })).status).toBe(200)
    expect(JSON.stringify(await historyOf(lock))).not.toContain("schedule")
  })
})

describe("a schedule that is none", () => {
  it.each<[string, unknown, string]>([
    ["of no zone", { ...always, timeZone: "Mars/Olympus" }, "schedule.timeZone"],
    ["of an offset", { ...always, timeZone: "+03:00" }, "schedule.timeZone"],
    ["without windows", { ...always, windows: [] }, "schedule.windows.0"],
    ["at no time", { ...always, windows: [{ days: DAYS, from: "25:00", to: "26:00" }] }, "schedule.windows.0.from"],
    ["as text", "tuesdays", "schedule"]
  ])("%s is refused, and says where", async (_, schedule, field) => {
    const lock = await furnishedLock(server.url)
    for (const [command, body] of [
      ["create-temp-key", tempKey({ schedule })],
      ["update-temp-key", { tempKeyUuid: lock.tempKeyUuid, schedule }]
    ] as const) {
      const { status, body: problem } = await lock.post(command, body)
      expect([status, problem.details?.map(({ field }) => field)]).toEqual([400, expect.arrayContaining([field])])
    }
  })
})
