/** How many requests organizations may have under way, beside the one that each webhook always may. */
import { expect, it } from "@effect/vitest"
import { Room } from "../src/partners/Room.ts"

/** Takes room for one request after the other while there is some, up to so many; answers for how many there was. */
const fill = (room: Room, orgId: string, most = 1_000): number => {
  let taken = 0
  for (; taken < most && room.has(orgId, 0); taken++) room.take(orgId, 0)
  return taken
}

it("an organization has room for ten webhooks whose receivers take all they may be sent", () => {
  const room = new Room()
  expect([fill(room, "acme"), fill(room, "globex", 1)]).toEqual([160, 1])
})

it("once half of all is taken, an organization has less of it", () => {
  const room = new Room()
  const taken = ["acme", "globex", "hooli", "initech", "umbrella", "wonka", "stark"].map((orgId) => fill(room, orgId))
  expect(taken).toEqual([160, 90, 64, 64, 64, 58, 0])
})

it("once half of all is taken, an organization with more than 64 takes nothing new until enough is answered", () => {
  const room = new Room()
  fill(room, "acme")
  fill(room, "globex")
  expect(fill(room, "acme")).toBe(0)
  room.give("acme", 0, 96)
  fill(room, "hooli")
  fill(room, "initech")
  expect(fill(room, "acme")).toBe(0)
  room.give("acme", 0, 1)
  expect(fill(room, "acme")).toBe(1)
})
