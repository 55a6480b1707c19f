/** What may be asked is what the published contract lets pass, and text that every store can keep. */
import { describe, expect, it } from "@effect/vitest"
import { lockRequest } from "@latchkey/core/testing"
import { Arbitrary, Exit, Option, Schema } from "effect"
import { CommandContext, LockRequest } from "../src/lock/LockCommand.ts"
import type { CommandRow } from "../src/lock/LockCommands.ts"
import { BOUNDS } from "../src/lock/RequestFields.ts"
import { acceptsBody } from "./contract.ts"
import { clock, lockUuid } from "./scenario.ts"

const decode = Schema.decodeUnknownOption(LockRequest)
const accepts = (_tag: string, body: object): boolean => Option.isSome(decode({ ...body, _tag }))

/** Requests of every kind that the contract has. */
const request: Arbitrary.Arbitrary<LockRequest> = Arbitrary.flatMap(
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))),
  (n): Arbitrary.Arbitrary<LockRequest> => (n === 0 ? Arbitrary.schema(LockRequest.cases.BulkAddKeys) : lockRequest)
)

/** What a field may be given instead of what belongs there. */
const strays: ReadonlyArray<Schema.Json> = [
  null,
  true,
  0,
  1,
  -1,
  1.5,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  -(2 ** 53),
  "",
  " ",
  "key-1",
  "7",
  lockUuid,
  lockUuid.toUpperCase(),
  `${lockUuid}0`,
  clock("09:00"),
  "2026-08-31T09:00Z",
  "2026-08-31T09:00:00+00:00",
  "2026-02-30T09:00:00Z",
  "public",
  "private",
  "a".repeat(800),
  "a".repeat(801),
  "a".repeat(2001),
  "🔑".repeat(1500),
  "🔑".repeat(2001),
  [],
  [lockUuid],
  ["key-1"],
  [{ uuid: "key-1", keyUuid: "key-1" }],
  [{ uuid: "key-1", indexNumber: 1.5, keyUuid: "key-1", keyIndexNumber: 1.5 }],
  [{ uuid: 1, keyUuid: 1 }],
  {}
]

/** What the contract does not publish. */
const OURS_ALONE: ReadonlySet<string> = new Set([
  "OpenWithTempKey",
  "SuspendTempKey",
  "ResumeTempKey",
  "ChangeTempKeyLink",
  "LockDevice",
  "DescribeLock",
  "RetireLock",
  "SyncKeys",
  "MoveClaim"
])

describe("a request", () => {
  it.prop(
    "passes exactly when the contract lets it pass, whatever stands in or is missing from a field, but for longer texts",
    [request],
    ([given]) => {
      const { _tag, ...body } = given
      if (OURS_ALONE.has(_tag)) return
      const more = _tag === "RemoveKey" ? ["userId"] : _tag === "UpdateTempKey" ? ["description"] : []
      const beyondContract = ["_tag", "schedule", "deviceSecret", "claimCode", ...more]
      const fields = Object.keys(LockRequest.cases[_tag].fields).filter((field) => !beyondContract.includes(field))
      const without = (field: string) => Object.fromEntries(Object.entries(body).filter(([name]) => name !== field))
      const bodies = fields.flatMap((field) => [
        without(field),
        ...strays.map((stray) => ({ ...body, [field]: stray }))
      ])
      for (const body of bodies) {
        const isLong = Object.values(body).some((value) => typeof value === "string" && [...value].length > BOUNDS.id)
        if (isLong && !accepts(_tag, body)) continue
        expect([body, accepts(_tag, body)]).toEqual([body, acceptsBody(_tag, body)])
      }
    }
  )

  const { id, name, email, phoneNumber, reason, description, instant, bulkKeys, allowedUsers, keys } = BOUNDS
  const times = (n: number) => Array.from({ length: n }, (_, index) => index)
  const text = (n: number) => "🔑".repeat(n)
  const uuids = (n: number) => times(n).map(() => lockUuid)
  const window = { days: ["monday"], from: "09:00", to: "10:00" }
  const schedule = (windows: ReadonlyArray<object>) => ({ timeZone: "Europe/Athens", windows })
  const digits = (n: number) => `2026-08-31T09:00:00.${"0".repeat(n - "2026-08-31T09:00:00.Z".length)}Z`
  const lock = { index: 1, uuid: lockUuid }
  const tempKey = { tempKeyUuid: lockUuid, accessMode: "public", validFrom: clock("09:00"), validUntil: clock("10:00") }

  it.each([
    ["CreateLock", "ownerId", id, (n: number) => ({ ...lock, ownerId: text(n) })],
    ["CreateLock", "keys.0.uuid", id, (n: number) => ({ ...lock, keys: [{ uuid: text(n) }] })],
    ["CreateLock", "keys.0.userId", id, (n: number) => ({ ...lock, keys: [{ uuid: "key-1", userId: text(n) }] })],
    ["CreateLock", "keys", keys, (n: number) => ({ ...lock, keys: times(n).map((n) => ({ uuid: String(n) })) })],
    ["AddKey", "keyUuid", id, (n: number) => ({ keyUuid: text(n) })],
    ["AddKey", "userId", id, (n: number) => ({ keyUuid: "key-1", userId: text(n) })],
    ["RemoveKey", "keyUuid", id, (n: number) => ({ keyUuid: text(n) })],
    ["WriteKey", "keyUuid", id, (n: number) => ({ keyUuid: text(n) })],
    ["BulkAddKeys", "keys", bulkKeys, (n: number) => ({ keys: times(n).map((n) => ({ keyUuid: String(n) })) })],
    ["BulkAddKeys", "keys.0.keyUuid", id, (n: number) => ({ keys: [{ keyUuid: text(n) }] })],
    ["BulkAddKeys", "keys.0.userId", id, (n: number) => ({ keys: [{ keyUuid: "key-1", userId: text(n) }] })],
    ["OpenLock", "requestId", id, (n: number) => ({ requestId: text(n) })],
    ["OpenLock", "reason", reason, (n: number) => ({ reason: text(n) })],
    ["SetOwner", "userId", id, (n: number) => ({ userId: text(n) })],
    ["SetOrganization", "orgId", id, (n: number) => ({ orgId: text(n) })],
    ["AddResident", "name", name, (n: number) => ({ name: text(n) })],
    ["AddResident", "email", email, (n: number) => ({ name: "Ada", email: text(n) })],
    ["AddResident", "phoneNumber", phoneNumber, (n: number) => ({ name: "Ada", phoneNumber: text(n) })],
    ["AddResident", "userId", id, (n: number) => ({ name: "Ada", userId: text(n) })],
    ["RemoveResident", "email", email, (n: number) => ({ email: text(n) })],
    ["RemoveResident", "phoneNumber", phoneNumber, (n: number) => ({ phoneNumber: text(n) })],
    ["RemoveResident", "userId", id, (n: number) => ({ userId: text(n) })],
    ["CreateTempKey", "allowedUserIds", allowedUsers, (n: number) => ({ ...tempKey, allowedUserIds: uuids(n) })],
    ["CreateTempKey", "validFrom", instant, (n: number) => ({ ...tempKey, validFrom: digits(n) })],
    ["CreateTempKey", "validUntil", instant, (n: number) => ({ ...tempKey, validUntil: digits(n) })],
    ["CreateTempKey", "description", description, (n: number) => ({ ...tempKey, description: text(n) })],
    [
      "CreateTempKey",
      "schedule.windows",
      50,
      (n: number) => ({ ...tempKey, schedule: schedule(times(n).map(() => window)) })
    ],
    [
      "CreateTempKey",
      "schedule.windows.0.days",
      7,
      (n: number) => ({ ...tempKey, schedule: schedule([{ ...window, days: times(n).map(() => "monday") }]) })
    ],
    [
      "UpdateTempKey",
      "allowedUserIds",
      allowedUsers,
      (n: number) => ({ tempKeyUuid: lockUuid, allowedUserIds: uuids(n) })
    ],
    ["UpdateTempKey", "validUntil", instant, (n: number) => ({ tempKeyUuid: lockUuid, validUntil: digits(n) })]
  ] as const)("%s has a bound for %s: %d, and names it", (tag, _, bound, body) => {
    const read = (n: number) => Schema.decodeUnknownExit(LockRequest)({ ...body(n), _tag: tag })
    expect(Exit.isSuccess(read(bound))).toBe(true)
    expect(Exit.isFailure(read(bound + 1))).toBe(true)
    expect(String(read(bound + 1))).toContain(`at most ${bound}`)
  })

  it("keeps only what it has a field for", () => {
    const body = JSON.parse('{ "userId": "ada", "colour": "red", "__proto__": { "admin": true } }')
    expect(Option.getOrThrow(decode({ ...body, _tag: "SetOwner" }))).toStrictEqual({ _tag: "SetOwner", userId: "ada" })
  })

  it("may come without its lists", () => {
    const key = { accessMode: "public", validFrom: clock("09:00"), validUntil: clock("10:00") } as const
    expect(decode({ _tag: "CreateTempKey", tempKeyUuid: lockUuid, ...key })._tag).toBe("Some")
    expect(decode({ _tag: "CreateLock", index: 1, uuid: lockUuid })._tag).toBe("Some")
  })

  it.each([
    [[{ uuid: "key-1" }, { uuid: "key-1", indexNumber: 1 }], false],
    [
      [
        { uuid: "key-1", indexNumber: 1 },
        { uuid: "key-2", indexNumber: 1 }
      ],
      false
    ],
    [
      [
        { uuid: "key-1", indexNumber: 1 },
        { uuid: "key-2", indexNumber: 2 }
      ],
      true
    ],
    [[{ uuid: "key-1" }, { uuid: "key-2" }], true]
  ])("to create a lock has every key and every slot once: %j %s", (keys, passes) => {
    expect(accepts("CreateLock", { index: 1, uuid: lockUuid, keys })).toBe(passes)
  })

  it.each(["a\0b", "\0", "\ud83d", "\udd11 a"])("has no text that stores cannot keep: %j", (text) => {
    for (const [tag, body] of Object.entries({
      CreateLock: { index: 1, uuid: lockUuid, ownerId: text },
      AddKey: { keyUuid: text },
      WriteKey: { keyUuid: text },
      RemoveKey: { keyUuid: text },
      BulkAddKeys: { keys: [{ keyUuid: "key-1", userId: text }] },
      OpenLock: { reason: text },
      SetOwner: { userId: text },
      SetOrganization: { orgId: text },
      AddResident: { name: text },
      RemoveResident: { email: text },
      CreateTempKey: {
        tempKeyUuid: lockUuid,
        accessMode: "public",
        validFrom: clock("09:00"),
        validUntil: clock("10:00"),
        description: text
      }
    })) {
      expect([tag, acceptsBody(tag, body), accepts(tag, body)]).toEqual([tag, true, false])
    }
  })
})

describe("the context of a command", () => {
  const context = { lockId: 7, commandId: "command-1", at: 0, principal: { _tag: "System" } } as const

  it.each([
    ["lockId", 1, true],
    ["lockId", 0, false],
    ["lockId", -1, false],
    ["lockId", 1.5, false],
    ["lockId", 2 ** 53, false],
    ["lockId", "7", false],
    ["at", 8.64e15, true],
    ["at", 8.64e15 + 1, false],
    ["at", Number.NaN, false],
    ["principal", { _tag: "User" }, false],
    ["principal", { _tag: "Nobody" }, false]
  ])("%s may be %o: %s", (field, value, may) => {
    expect(Schema.is(CommandContext)({ ...context, [field]: value })).toBe(may)
  })
})

it("a row of the table cannot say what makes no sense", () => {
  const row = { request: {}, who: "owner" } as const
  // @ts-expect-error a device command of which it is not known what became keeps others out
  const passing: CommandRow = { ...row, event: "KeyAdded", device: "AddKey", passes: true }
  // @ts-expect-error whether the clock decides over a device command is known from its lifetime
  const timed: CommandRow = { ...row, event: "KeyAdded", device: "AddKey", byClock: true }
  // @ts-expect-error only what the device carries out competes for its room
  const byGuest: CommandRow = { ...row, event: "OwnerSet", byGuest: true }
  // @ts-expect-error there is no such event
  const unknown: CommandRow = { ...row, event: "LockPainted" }
  expect([passing, timed, byGuest, unknown]).toHaveLength(4)
})
