/** The fleet on a terminal. */
import { expect, it } from "@effect/vitest"
import { FAULTS, fleetView, type Known, lineOf, simulateFleet, thingsOf, virtualTime } from "@latchkey/simulator"
import { backend } from "./backend.ts"

const known = (thing: string, given: Partial<Known> = {}): Known => ({
  thing,
  isOnline: true,
  battery: 80,
  running: undefined,
  done: 0,
  failed: 0,
  expired: 0,
  last: "",
  ...given
})

it("shows every lock, and the sum of all", () => {
  const locks = [
    known("a", { done: 2, failed: 1, last: "OpenLock failed: jammed" }),
    known("b", { isOnline: false, battery: 7, expired: 1, last: "OpenLock expired" }),
    known("c", { running: "AddKey" })
  ]
  expect(fleetView(locks, { columns: 80, rows: 24 })).toBe(
    [
      "3 locks, 2 online · 2 done · 1 failed · 1 expired",
      "",
      "● a   80 %  OpenLock failed: jammed  (2 done, 1 failed)",
      "○ b    7 %  OpenLock expired  (0 done, 1 expired)",
      "● c   80 %  AddKey …  (0 done)"
    ].join("\n")
  )
})

it("fits the terminal: those that do something are shown first", () => {
  const locks = Array.from({ length: 200 }, (_, n) => known(`lock-${n}`, n === 150 ? { running: "OpenLock" } : {}))
  const lines = fleetView(locks, { columns: 20, rows: 10 }).split("\n")
  expect(lines.length).toBeLessThan(10)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(20)
  expect(lines[2]).toMatch("lock-150")
  expect(lines.at(-1)).toBe("… and 194 more")
})

it("counts what a fleet does", () => {
  const time = virtualTime()
  const service = backend(time, 1_800_000_000_000)
  const lines: Array<string | undefined> = []
  const fleet = simulateFleet({
    things: thingsOf(7, 1),
    seed: 7,
    faults: FAULTS.none,
    time,
    wireOf: () => service.wire,
    onIncident: (incident) => lines.push(lineOf(incident))
  })
  time.runUntil(1_000)
  service.send("OpenLock", 10_000)
  time.runUntil(2_000)
  const [thing] = thingsOf(7, 1)
  expect(fleet.known()).toMatchObject([
    { thing, isOnline: true, done: 1, failed: 0, expired: 0, last: "OpenLock done" }
  ])
  expect(lines.filter((line) => line !== undefined)).toEqual([
    expect.stringMatching(`^${thing} online \\(battery: \\d+ %\\)$`),
    `${thing} OpenLock command-999 done`
  ])
  fleet.stop()
})

it("names things by the seed, as UUIDs", () => {
  expect(thingsOf(1, 3)).toEqual(thingsOf(1, 3))
  expect(new Set([...thingsOf(1, 100), ...thingsOf(2, 100)]).size).toBe(200)
  for (const thing of thingsOf(1, 100))
    expect(thing).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
})
