/**
 * Random commands, histories and temp keys for property tests. Users, keys and instants come from small pools, so that
 * they meet: slots are taken, limits are reached, and windows end at the very millisecond of a command.
 */
import { Arbitrary, Result, Schema, SchemaAST, Struct } from "effect"
import { CommandOutcome } from "../device/DeviceCommand.ts"
import { OpenedBy } from "../device/ReportedState.ts"
import { decide } from "../lock/Decide.ts"
import type { Decision } from "../lock/Decision.ts"
import { evolveStored } from "../lock/Evolve.ts"
import { type Lock, streamOfLock } from "../lock/Lock.ts"
import { CommandBody, type LockCommand, LockRequest } from "../lock/LockCommand.ts"
import { commandTable, type LockCommandType, requests } from "../lock/LockCommands.ts"
import { type LockEvent, toStored } from "../lock/LockEvent.ts"
import type { TempKey } from "../lock/TempKey.ts"
import type { StoredEvent } from "../streams/EventStore.ts"
import type { Principal } from "../values/Principal.ts"
import { instantOf, millisOf } from "../values/Text.ts"

/** When every history begins, in epoch milliseconds. */
const START = millisOf("2026-01-01T00:00:00.000Z")
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
const BOB = "bbbbbbbb-0000-4000-8000-000000000002"
const CAROL = "cccccccc-0000-4000-8000-000000000003"
const FIRST_KEY = "eeeeeeee-0000-4000-8000-000000000001"
const SECOND_KEY = "eeeeeeee-0000-4000-8000-000000000002"

const User = Schema.Literals([ALICE, BOB, CAROL])
/** The same users and keys, also as somebody else writes them. */
const UserInAnyCase = Schema.Literals([ALICE, BOB, CAROL, ALICE.toUpperCase()])
const TempKeyUuid = Schema.Literals([FIRST_KEY, SECOND_KEY, FIRST_KEY.toUpperCase()])
const KeyUuid = Schema.Literals(["key-1", "key-2", "key-🔑"])
const Slot = Schema.Literals([1, 2, 3])
const Hardware = Schema.Literals([
  "dddddddd-0000-4000-8000-000000000001",
  "dddddddd-0000-4000-8000-000000000002",
  "DDDDDDDD-0000-4000-8000-000000000001"
])
const Organization = Schema.Literals(["org-1", "org-2"])
const Email = Schema.Literals(["a@example.org", "b@example.org"])
const Phone = Schema.Literals(["+49 30 1", "+49 30 2"])
const Begin = Schema.Literals([-HOUR, 0, MINUTE, 10 * MINUTE].map((offset) => instantOf(START + offset)))
const End = Schema.Literals([MINUTE, 10 * MINUTE, HOUR, 24 * HOUR].map((offset) => instantOf(START + offset)))
const Uses = Schema.NullOr(Schema.Literals([1, 2]))
const Mode = Schema.Literals(["public", "user-whitelist"])
const Guests = Schema.Array(UserInAnyCase).check(Schema.isMinLength(1), Schema.isMaxLength(2))

const keyInSlot = <const N extends 1 | 2>(n: N) =>
  Schema.Struct({ uuid: Schema.Literal(`key-${n}`), indexNumber: Schema.Literal(n), userId: Schema.optionalKey(User) })

/** Windows around the beginning of every history: a Thursday, 02:00 in Athens, and 19:00 the evening before in New York. */
const Weekly = Schema.Struct({
  timeZone: Schema.Literals(["Europe/Athens", "America/New_York", "america/new_york"]),
  windows: Schema.Tuple([
    Schema.Struct({
      days: Schema.Tuple([Schema.Literals(["wednesday", "thursday"])]),
      from: Schema.Literals(["02:01", "18:00", "19:02"]),
      to: Schema.Literals(["00:00", "02:05", "19:05"])
    })
  ])
})

const SomeCommand = Schema.Literals(["command-4", "command-5", "command-6", "command-7"])

/** What is asked of locks, by the name of the field, and of the command where it matters: where a field is not here, anything that its schema allows. */
const pools: { readonly [field: string]: Schema.Constraint } = {
  accessMode: Mode,
  allowedUserIds: Guests,
  credentialUuid: Schema.Literal("eeeeeeee-0000-4000-8000-000000000003"),
  description: Schema.Literal("for the plumber"),
  doorId: Schema.Literals([1, 2]),
  email: Email,
  index: Schema.Literals([1, 2]),
  keyIndexNumber: Slot,
  keyUuid: KeyUuid,
  keys: Schema.Union([Schema.Tuple([]), Schema.Tuple([keyInSlot(1)]), Schema.Tuple([keyInSlot(1), keyInSlot(2)])]),
  maxUses: Schema.Literals([1, 2]),
  name: Schema.Literal("Ada"),
  newTempKeyUuid: TempKeyUuid,
  newUuid: Hardware,
  orgId: Organization,
  ownerId: User,
  phoneNumber: Phone,
  reason: Schema.Literal("delivery"),
  requestId: Schema.Literal("request-1"),
  schedule: Weekly,
  serialNumber: Schema.Literal("SN-1"),
  tempKeyUuid: TempKeyUuid,
  userId: User,
  "OpenWithTempKey.userId": UserInAnyCase,
  "UseTempKey.userId": UserInAnyCase,
  uuid: Hardware,
  validFrom: Begin,
  validUntil: End,
  vendorName: Schema.Literal("Acme"),
  // Of commands that were sent, of some that were not, and of devices that they were not sent to.
  answered: SomeCommand,
  forgotten: Schema.Struct({
    commandId: SomeCommand,
    type: Schema.Literals(["OpenLock", "WriteKey", "AddKey", "RemoveKey"]),
    thing: Hardware,
    requestedAt: Schema.Literals([START - HOUR, START]),
    acceptedAt: Schema.Literals([START - HOUR, START])
  }),
  began: Schema.Literal(false),
  detail: Schema.Literal("the bolt is 🔩"),
  outcome: CommandOutcome,
  reportedAt: Schema.Literals([START - HOUR, START + SECOND]),
  thing: Hardware,
  // Some are late, some say nothing new; some openings were told before, and between some others are missing.
  seenAt: Schema.Literals([START, START + SECOND]),
  bolt: Schema.Literals(["locked", "jammed"]),
  door: Schema.Literals(["closed", "forced", "leftOpen"]),
  battery: Schema.Literals([10, 20, 90]),
  firmware: Schema.Literal("2.4.1"),
  keySlots: Schema.Literals([50, 100]),
  clock: Schema.Literals([0, START]),
  series: Schema.Literal("k3j4"),
  dropped: Schema.Literal(0),
  list: Schema.Tuple([
    Schema.Struct({ n: Schema.Literals([1, 2, 4]), by: Schema.Literal("key"), keyUuid: KeyUuid }),
    Schema.Struct({ n: Schema.Literals([3, 5]), by: OpenedBy, keyIndexNumber: Slot })
  ]),
  "RecordKeys.list": Schema.Tuple([Schema.Struct({ keyUuid: KeyUuid, keyIndexNumber: Slot })]),
  after: Schema.Literals(["command-4", "command-5"])
}

/** What commands of these types say. */
const bodiesOf = (...tags: ReadonlyArray<LockCommandType>) =>
  Arbitrary.filter(Arbitrary.schema(Schema.Union(tags.map(pooled))), isSingle)

const pooled = (tag: LockCommandType): Schema.Constraint => {
  const fields = Object.entries<Schema.Constraint>(commandTable[tag].request).map(([name, field]) => {
    const pool = pools[`${tag}.${name}`] ?? pools[name]
    if (pool === undefined) return [name, field] as const
    const nullable = Schema.is(field)(null) ? Schema.NullOr(pool) : pool
    return [name, SchemaAST.isOptional(field.ast) ? Schema.optionalKey(nullable) : nullable] as const
  })
  return Schema.TaggedStruct(tag, Object.fromEntries(fields))
}

const isBody = Schema.is(CommandBody)
const isSingle = (body: unknown) => isBody(body) && body._tag !== "BulkAddKeys"
const singles = Struct.keys(commandTable).filter((tag) => tag !== "BulkAddKeys")

/** Whatever may be asked of a lock in one command. */
export const lockRequest = Arbitrary.filter(
  bodiesOf(...singles.filter((tag) => tag in requests)),
  Schema.is(LockRequest)
)
/** The same, and what only Latchkey itself asks. What seldom succeeds is asked for more often. */
const anything = bodiesOf(
  ...singles.filter((tag) => tag !== "RetireLock"),
  "CreateTempKey",
  "AddKey",
  "RemoveKey",
  "ChangeTempKeyLink",
  "AddResident",
  "RemoveResident",
  "RemoveResident",
  "OpenWithTempKey",
  "OpenWithTempKey",
  "OpenWithTempKey",
  "OpenWithTempKey",
  "OpenWithTempKey",
  "OpenWithTempKey",
  "UseTempKey",
  "UseTempKey",
  "SuspendTempKey",
  "ResumeTempKey",
  "RecordOutcome",
  "RecordOutcome",
  "RecordOutcome",
  "RecordOutcome",
  "RecordOutcome",
  "RecordOutcome",
  "RecordState",
  "RecordState",
  "RecordState",
  "RecordState",
  "RecordOpenings"
)

/** Everybody who may ask. */
export const principal: Arbitrary.Arbitrary<Principal> = Arbitrary.schema(
  Schema.Union([
    Schema.TaggedStruct("User", { userId: User }),
    Schema.TaggedStruct("Organization", { orgId: Organization, userId: Schema.optionalKey(User) }),
    Schema.TaggedStruct("Super", { userId: Schema.optionalKey(User) }),
    Schema.TaggedStruct("Guest", {}),
    Schema.TaggedStruct("System", {})
  ])
)

/** Time from one command to the next, in milliseconds. */
const pause = Arbitrary.schema(Schema.Literals([0, 1, SECOND, MINUTE - 1, MINUTE]))

const commandsTo = (lockIds: readonly [number, ...Array<number>]): Arbitrary.Arbitrary<ReadonlyArray<LockCommand>> => {
  const anyLock = Arbitrary.schema(Schema.Literals(lockIds))
  const step = Arbitrary.all({ lockId: anyLock, request: anything, principal, pause })
  const creation = (lockId: number) =>
    Arbitrary.all({ lockId: Arbitrary.Constant(lockId), request: bodiesOf("CreateLock"), principal, pause })
  // By the operator, so that most keys still stand when they are used.
  const sharing = Arbitrary.all({
    lockId: anyLock,
    request: bodiesOf("CreateTempKey"),
    principal: Arbitrary.Constant<Principal>({ _tag: "Super" }),
    pause
  })
  const ending = Arbitrary.all({ lockId: anyLock, request: bodiesOf("RetireLock", "OpenLock"), principal, pause })
  return Arbitrary.all([
    Arbitrary.array(step, { maxLength: 2 }),
    Arbitrary.all(lockIds.map(creation)),
    Arbitrary.array(sharing, { maxLength: 3 }),
    Arbitrary.array(Arbitrary.array(step)),
    // Last, since little happens after it.
    Arbitrary.array(ending, { maxLength: 4 })
  ]).pipe(
    Arbitrary.map(([early, creations, sharings, stretches, endings]) => {
      let at = START
      return [...early, ...creations, ...sharings, ...stretches.flat(), ...endings].map(
        ({ lockId, request, principal, pause }, index) => {
          at += pause
          return { ...request, lockId, principal, commandId: `command-${index + 1}`, at }
        }
      )
    })
  )
}

/** The lock after a decision, when the shadow has accepted what the device is told. */
export const lockAfter = (lock: Lock | undefined, command: LockCommand, { events, device }: Decision) =>
  events.reduce(
    (lock, event, index) => evolveStored(lock, storedOf(event, command, (lock?.version ?? 0) + 1, index, device)),
    lock
  )

const storedOf = (
  event: LockEvent,
  { lockId, commandId, at, principal }: LockCommand,
  version: number,
  index: number,
  device: Decision["device"]
): StoredEvent => ({
  eventId: `${commandId}-${index + 1}`,
  ...toStored(event),
  streamId: streamOfLock(lockId),
  version,
  position: version,
  at,
  orgId: principal._tag === "Organization" ? principal.orgId : "",
  principal,
  commandId,
  ...(device === undefined ? {} : { acceptedAt: at })
})

/** What the rules make of commands, one after the other; refused ones leave nothing. */
const happened = (commands: ReadonlyArray<LockCommand>) => {
  const locks = new Map<number, Lock | undefined>()
  return commands.flatMap((command) => {
    const lock = locks.get(command.lockId)
    const decided = decide(lock, command)
    if (Result.isFailure(decided)) return []
    locks.set(command.lockId, lockAfter(lock, command, decided.success))
    return decided.success.events.map((event) => ({ command, event }))
  })
}

/** Commands to lock 1 in the order of their time, from all kinds of callers; about half of them are refused. */
export const lockCommands: Arbitrary.Arbitrary<ReadonlyArray<LockCommand>> = commandsTo([1])

/** The events of lock 1 that such commands led to. */
export const lockHistory: Arbitrary.Arbitrary<ReadonlyArray<LockEvent>> = Arbitrary.map(lockCommands, (commands) =>
  happened(commands).map(({ event }) => event)
)

/** A feed from its beginning, with the events of several locks between each other. */
export const lockFeed: Arbitrary.Arbitrary<ReadonlyArray<StoredEvent>> = Arbitrary.map(
  commandsTo([1, 2, 10]),
  (commands) => {
    const versions = new Map<number, number>()
    return happened(commands).map(({ command: { lockId, commandId, at, principal }, event }, index) => {
      const version = (versions.get(lockId) ?? 0) + 1
      versions.set(lockId, version)
      const streamId = streamOfLock(lockId)
      const orgId = principal._tag === "Organization" ? principal.orgId : ""
      return {
        eventId: `event-${index + 1}`,
        ...toStored(event),
        streamId,
        version,
        position: index + 1,
        at,
        orgId,
        principal,
        commandId
      }
    })
  }
)

/** A temp key as it may stand on a lock, used any number of times up to its limit. */
export const tempKey: Arbitrary.Arbitrary<TempKey> = Arbitrary.all({
  uuid: Arbitrary.schema(TempKeyUuid),
  accessMode: Arbitrary.schema(Mode),
  guest: Arbitrary.schema(UserInAnyCase),
  begin: Arbitrary.schema(Schema.Literals([-HOUR, 0, MINUTE])),
  length: Arbitrary.schema(Schema.Literals([1, SECOND, HOUR])),
  maxUses: Arbitrary.schema(Uses),
  schedule: Arbitrary.schema(Schema.Union([Schema.Struct({}), Schema.Struct({ schedule: Weekly })])),
  usedCount: Arbitrary.schema(Schema.Literals([0, 1, 2]))
}).pipe(
  Arbitrary.map(({ uuid, accessMode, guest, begin, length, maxUses, schedule, usedCount }) => ({
    uuid,
    id: "the command that made it",
    accessMode,
    allowedUserIds: accessMode === "public" ? [] : [guest],
    validFrom: instantOf(START + begin),
    validUntil: instantOf(START + begin + length),
    maxUses,
    ...schedule,
    usedCount: Math.min(usedCount, maxUses ?? usedCount),
    createdAt: instantOf(START - HOUR),
    createdBy: ALICE,
    giver: { _tag: "Operator" } as const,
    createdVersion: 2
  }))
)

/** A temp key and an instant (epoch milliseconds) at, just before or just after an edge of its window. */
export const tempKeyAtEdge: Arbitrary.Arbitrary<{ readonly key: TempKey; readonly now: number }> = Arbitrary.all({
  key: tempKey,
  edge: Arbitrary.schema(Schema.Literals(["validFrom", "validUntil"])),
  offset: Arbitrary.schema(Schema.Literals([-1, 0, 1]))
}).pipe(Arbitrary.map(({ key, edge, offset }) => ({ key, now: millisOf(key[edge]) + offset })))
