/** Given what happened to a lock, when somebody asks, then this follows: how the tests of the rules are told. */
import { expect } from "@effect/vitest"
import { Result, Schema } from "effect"
import type { DeviceCommand } from "../src/device/DeviceCommand.ts"
import { decide } from "../src/lock/Decide.ts"
import { evolve, initial } from "../src/lock/Evolve.ts"
import type { Lock } from "../src/lock/Lock.ts"
import { type CommandContext, type LockCommand, LockRequest, type Said } from "../src/lock/LockCommand.ts"
import { type CommandRow, requests } from "../src/lock/LockCommands.ts"
import type { LockRefused } from "../src/lock/LockError.ts"
import type { LockEvent, LockEventType } from "../src/lock/LockEvent.ts"
import type { TempKey } from "../src/lock/TempKey.ts"
import type { Principal } from "../src/values/Principal.ts"

export const lockId = 7
export const lockUuid = "0b0e8400-e29b-41d4-a716-446655440000"
export const operator: Principal = { _tag: "Super" }

/** An instant of the day on which everything in the tests happens. */
export const clock = (time: string): string => `2026-08-31T${time.padEnd(12, ":00.000".slice(time.length - 5))}Z`
export const millis = (time: string): number => Date.parse(clock(time))

/** A key for the day's office hours. */
export const officeKey: TempKey = {
  uuid: "7e3b0000-0000-4000-8000-000000000001",
  id: "the command that made it",
  accessMode: "public",
  allowedUserIds: [],
  validFrom: clock("09:00"),
  validUntil: clock("17:00"),
  maxUses: null,
  usedCount: 0,
  createdAt: clock("08:00"),
  createdBy: "org-1",
  giver: { _tag: "Organization", orgId: "org-1" },
  createdVersion: 2
}

type Without<A, K extends PropertyKey> = A extends unknown ? Omit<A, K> : never
/** An event without what every event of the lock says. */
export type Fact = Without<LockEvent, "lockId" | "uuid" | "lockUuid" | "timestamp">
export type Request =
  | Exclude<LockRequest, { readonly _tag: "BulkAddKeys" }>
  | ({ readonly _tag: "OpenDoor" } & Said<"OpenDoor">)
  | ({ readonly _tag: "GiveUpKey" } & Said<"GiveUpKey">)

/** The request that leads to an event of this type, for tests in which it matters what happens and not how it is asked. */
export const requestFor = (event: LockEventType, fields: object): Request => {
  const [tag] = Object.entries<CommandRow>(requests).find(([_, row]) => row.event === event) ?? []
  const request = Schema.decodeUnknownSync(LockRequest)({ ...fields, _tag: tag })
  return request._tag === "BulkAddKeys" ? expect.fail(`No request leads to ${event}`) : request
}

/** The event of the lock that the fact is about. */
export const happened = (fact: Fact, time = "08:00", uuid = lockUuid): LockEvent => {
  const about = "tempKeyUuid" in fact ? { lockId, lockUuid: uuid } : { lockId, uuid }
  return { ...fact, ...about, timestamp: clock(time) } as LockEvent
}

/** The request as the operator asks it at nine o'clock, unless the context says otherwise. */
export const asked = (request: Request, context: Partial<CommandContext> = {}): LockCommand => ({
  ...request,
  lockId,
  commandId: "command-1",
  at: millis("09:00"),
  principal: operator,
  ...context
})

/** The lock after these facts, one event each, all of them caused by the operator. */
const lockAfter = (facts: ReadonlyArray<Fact>): Lock | undefined =>
  facts.reduce((lock, fact) => evolve(lock, happened(fact), operator), initial)

export const created: Fact = { _tag: "LockCreated", keys: [], index: 1 }

export const given = (...facts: ReadonlyArray<Fact>) => ({
  when: (request: Request, context: Partial<CommandContext> = {}) => {
    const lock = lockAfter(facts)
    const command = asked(request, context)
    const decided = decide(lock, command)
    const time = new Date(command.at).toISOString().slice(11, 23)
    return {
      /** Exactly these events follow, and the device is told nothing unless a command for it is given. */
      leadsTo: (facts: ReadonlyArray<Fact>, device?: DeviceCommand) => {
        const events = facts.map((fact) => happened(fact, time, lock?.uuid))
        const { names: _, ...rest } = Result.getOrThrow(decided)
        expect(rest).toStrictEqual(device === undefined ? { events } : { events, device })
      },
      /** It is written only if nobody has these names yet. */
      claims: (...keys: ReadonlyArray<string>) =>
        expect(Result.getOrThrow(decided).names?.map(({ key }) => key) ?? []).toEqual(keys),
      isAlreadySo: () => expect(decided).toStrictEqual(Result.succeed({ events: [] })),
      isRefused: (refusal: LockRefused) => {
        expect(decided).toStrictEqual(Result.fail(refusal))
        expect(refusal.message).not.toBe("")
      }
    }
  },
  /** The lock that these facts leave. */
  lock: () => lockAfter(facts)
})
