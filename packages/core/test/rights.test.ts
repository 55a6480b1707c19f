/**
 * No sequence of commands by anybody but owner, organization, their key holders and guests makes a thing act: over three
 * locks and three things, on two servers, with a stranger among those who ask.
 *
 * `RIGHTS_RUNS` sequences are tried, from `RIGHTS_SEED` on.
 */
import { hash, randomBytes } from "node:crypto"
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import fc from "fast-check"
import { ApiKeys } from "../src/access/ApiKeys.ts"
import { Secrets } from "../src/access/Secrets.ts"
import { DeviceShadow } from "../src/device/DeviceShadow.ts"
import { TempKeyLinks } from "../src/guest/TempKeyLinks.ts"
import { BulkAddKeys } from "../src/locks/BulkAddKeys.ts"
import { KeyRemovals } from "../src/locks/KeyRemovals.ts"
import { Locks } from "../src/locks/Locks.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import { SharedCredentials } from "../src/temp-key/SharedCredentials.ts"
import { SharedDoors } from "../src/temp-key/SharedDoors.ts"
import { TempKeys } from "../src/temp-key/TempKeys.ts"
import type { Principal } from "../src/values/Principal.ts"
import { type Asked, makeAudit } from "./rightsAudit.ts"
import { requestFor } from "./scenario.ts"
import { pinKey, thingOf, uuidOf } from "./shared.ts"
import { append, makeWorld } from "./world.ts"

const RUNS = Number(process.env["RIGHTS_RUNS"] ?? 25)
const SEED = Number(process.env["RIGHTS_SEED"] ?? Date.now() % 1_000_000)

const HOUR = 3_600_000
const LOCKS = [1, 2, 3]
const window = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2096-01-01T00:00:00Z" }
const user = (userId: string): Principal => ({ _tag: "User", userId })

/** Who asks. The first ones have a lock whenever they say so; what a key is for, its name says. */
const PEOPLE = [
  "its owner",
  "its organization",
  "operator",
  "ann",
  "ben",
  "holder",
  "guest",
  "eve",
  "",
  "org-1",
  "*"
] as const
const KEYS = ["org-1", "org-2", "", "open-1", "temp-keys-1", "keys", "revoked"] as const
const who = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("its owner", "its organization") },
  { weight: 2, arbitrary: fc.constantFrom(...PEOPLE) },
  { weight: 2, arbitrary: fc.constantFrom(...KEYS.map((key) => `key ${key}`)) }
)

/** Mostly the same: what is about the same lock, key or thing has something to say about it. */
const some = fc.constantFrom<1 | 2 | 3>(1, 1, 1, 2, 3)
const name = fc.constantFrom("ann", "ben", "holder", "eve", "")
const org = fc.constantFrom("org-1", "org-2", "")
const method = fc.constantFrom("key" as const, "code" as const, "both" as const)
/** A thing, however it is written. */
const thing = fc.tuple(some, fc.boolean()).map(([n, isUpper]) => (isUpper ? upper(thingOf(n)) : thingOf(n)))
const upper = (text: string) => text.toUpperCase()

const what = fc.oneof(
  fc.record({ _tag: fc.constant("CreateLock" as const), uuid: thing, ownerId: fc.option(name, { nil: undefined }) }),
  fc.record({ _tag: fc.constant("ChangeThing" as const), newUuid: thing }),
  fc.record({ _tag: fc.constant("MoveClaim" as const), uuid: thing }),
  fc.record({ _tag: fc.constant("SetOwner" as const), userId: name }),
  fc.record({ _tag: fc.constant("SetOrganization" as const), orgId: org }),

  fc.record({ _tag: fc.constant("AddKey" as const), key: some, userId: name }),
  fc.record({ _tag: fc.constant("RemoveKey" as const), key: some }),
  fc.record({ _tag: fc.constant("WriteKey" as const), key: some }),
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("OpenLock" as const) }) },
  fc.record({ _tag: fc.constant("CreateTempKey" as const), key: some, isListed: fc.boolean() }),
  fc.record({
    _tag: fc.constantFrom(
      "DeleteTempKey" as const,
      "SuspendTempKey" as const,
      "ResumeTempKey" as const,
      "ChangeTempKeyLink" as const,
      "UpdateTempKey" as const,
      "UseTempKey" as const
    ),
    key: some
  }),
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("OpenByLink" as const), key: some, upper: fc.boolean() }) },
  fc.record({
    _tag: fc.constant("Share" as const),
    key: some,
    doors: fc.array(fc.tuple(some, method), { minLength: 1, maxLength: 2 })
  }),
  fc.record({
    _tag: fc.constantFrom(
      "SuspendShared" as const,
      "ResumeShared" as const,
      "ChangeSharedLink" as const,
      "ReissuePin" as const,
      "EndShared" as const
    ),
    key: some
  }),
  fc.record({ _tag: fc.constant("AddDoor" as const), key: some, door: method }),
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constant("OpenDoor" as const),
      key: some,
      door: some,
      by: fc.constantFrom("link" as const, "first link" as const, "PIN" as const)
    })
  },
  fc.record({ _tag: fc.constant("Bulk" as const), key: some }),
  fc.record({ _tag: fc.constantFrom("GiveUpKeys" as const, "RemoveInherited" as const), userId: name }),
  fc.record({ _tag: fc.constantFrom("RevokeKey" as const, "RetireLock" as const) })
)
const steps = fc.array(fc.record({ who, server: fc.constantFrom(0 as const, 1 as const), lock: some, what }), {
  minLength: 5,
  maxLength: 40,
  size: "max"
})
/** What is there when a sequence begins: of each giver a temp key at lock 1, and a key to doors. */
const FURNITURE: ReadonlyArray<Step> = (
  [
    ["its owner", 1, [1]],
    ["its organization", 2, [1]],
    ["operator", 3, [1, 2]]
  ] as const
).flatMap(([who, key, lockIds]): ReadonlyArray<Step> => {
  const at = { who, server: 0, lock: 1 } as const
  const doors = lockIds.map((lockId): [1 | 2, "both"] => [lockId, "both"])
  return [
    { ...at, what: { _tag: "CreateTempKey", key, isListed: false } },
    { ...at, what: { _tag: "Share", key, doors } }
  ]
})
const modes = fc.constantFrom("ok", "ok", "lose-answer", "lose-request", "reject")
type Step =
  (typeof steps extends fc.Arbitrary<infer Steps> ? Steps : never) extends ReadonlyArray<infer One> ? One : never

const cryptography = () => {
  let made = 0
  return Layer.succeed(Secrets, {
    draw: () => randomBytes(8).toString("base64url"),
    hash: (text) => hash("sha256", text, "base64url"),
    newId: () => `secret-${++made}`
  })
}

const aWhile = Effect.repeat(Effect.yieldNow, { times: 40 })

/** A command of the form that BulkAddKeys takes; the number of its step. */
const idOf = (n: number) => `0198f000-0000-7000-8000-${String(n).padStart(12, "0")}`

/** Two servers over a log from before there were claims: locks 1 and 2, and on the thing of 1 perhaps lock 3 as well. */
const makeStreet = Effect.fnUntraced(function* (isDisputed: boolean) {
  const world = yield* makeWorld
  const old = [
    [1, "ann", "org-1", thingOf(1)],
    [2, "ben", "org-2", thingOf(2)],
    ...(isDisputed ? [[3, "eve", "org-2", upper(thingOf(1))] as const] : [])
  ] as const
  for (const [lockId, ownerId, orgId, uuid] of old) {
    const keys = [{ uuid: "key-0", userId: "holder" }]
    const data = { lockId, uuid, timestamp: "2026-01-01T00:00:00.000Z", ownerId, orgId, keys }
    const principal = { _tag: "Organization", orgId } as const
    const made = {
      eventId: `made-${lockId}-1`,
      commandId: `made-${lockId}`,
      at: Date.parse(data.timestamp),
      orgId,
      principal
    }
    yield* append(world.store, `lock-${lockId}`, 0, [{ ...made, type: "LockCreated", data }])
  }
  const device = Context.get(world.ports, DeviceShadow)
  const reached: Array<{ readonly thing: string; readonly commandId: string }> = []
  const over = Context.add(world.ports, DeviceShadow, {
    ...device,
    send: (thing, command, notAfter) =>
      // Others come in between the keys of a bulk request.
      (command.commandId.length > idOf(0).length ? aWhile : Effect.void).pipe(
        Effect.andThen(device.send(thing, command, notAfter)),
        Effect.ensuring(
          Effect.map(world.shadow.held(thing), (held) => {
            if (held[command.commandId] !== undefined) reached.push({ thing, commandId: command.commandId })
          })
        )
      )
  })
  const apiKeys = yield* Effect.provide(
    Layer.build(Layer.fresh(ApiKeys.layer().pipe(Layer.provide(cryptography())))),
    Context.make(EventStore, world.store)
  )
  return {
    ...world,
    reached,
    servers: [yield* world.latchkey(over), yield* world.latchkey(over)] as const,
    apiKeys: Context.get(apiKeys, ApiKeys)
  }
})

type Street = Effect.Success<ReturnType<typeof makeStreet>>

/** Who is who in a sequence, and what each key of an organization is for. */
const makePeople = Effect.fnUntraced(function* ({ apiKeys }: Street, sideOf: ReturnType<typeof makeAudit>["sideOf"]) {
  const made = new Map([
    ["key org-1", yield* apiKeys.create("org-1", {})],
    ["key org-2", yield* apiKeys.create("org-2", {})],
    ["key open-1", yield* apiKeys.create("org-1", { limits: { scopes: ["open"], locks: [1] } })],
    ["key temp-keys-1", yield* apiKeys.create("org-1", { limits: { scopes: ["temp-keys"], locks: [1] } })],
    ["key keys", yield* apiKeys.create("org-1", { limits: { scopes: ["keys"] } })],
    ["key revoked", yield* apiKeys.create("org-1", {})]
  ])
  let isRevoked = false
  return {
    revoke: Effect.suspend(() => {
      isRevoked = true
      return apiKeys.revoke(made.get("key revoked")?.keyId ?? "")
    }),
    /** `undefined`: nobody, since the key is no good. */
    named: Effect.fnUntraced(function* (who: string, lockId: number): Effect.fn.Return<Principal | undefined, unknown> {
      if (who === "operator") return { _tag: "Super" }
      if (who === "guest") return { _tag: "Guest" }
      if (who === "its owner") return user(sideOf(lockId).ownerId)
      if (who === "its organization") return { _tag: "Organization", orgId: sideOf(lockId).orgId }
      if (who === "key ") return { _tag: "Organization", orgId: "" }
      const key = made.get(who)
      if (key === undefined) return user(who)
      const principal = yield* apiKeys.principalOf(key.secret, Date.now())
      expect([who, principal === undefined]).toEqual([who, who === "key revoked" && isRevoked])
      return principal
    })
  }
})

/** Carries steps out, one after the other; what each of them did must be explained. */
const makeLife = Effect.fnUntraced(function* (isDisputed: boolean) {
  const street = yield* makeStreet(isDisputed)
  const asks = new Map<string, Asked>()
  const audit = makeAudit((commandId) => asks.get(commandId.slice(0, idOf(0).length)))
  const people = yield* makePeople(street, audit.sideOf)
  /** The links of the locks' own temp keys as they are now. */
  const links = new Map<string, string>()
  let [position, done] = [0, 0]

  const look = Effect.gen(function* () {
    for (const event of yield* street.store.feed(position, 10_000)) {
      audit.take(event)
      position = event.position
    }
    for (const { thing, commandId } of street.reached.splice(0)) audit.reached(thing, commandId)
    for (const n of LOCKS)
      for (const thing of [thingOf(n), upper(thingOf(n))])
        for (const commandId of Object.keys(yield* street.shadow.held(thing))) audit.waits(thing, commandId)
  })

  const carryOut = (
    { what, lock: lockId, server }: Step,
    principal: Principal,
    n: number
  ): Effect.Effect<unknown, unknown> => {
    const services = street.servers[server]
    const { execute } = Context.get(services, Locks)
    const [shared, keys] = [Context.get(services, SharedCredentials), Context.get(services, TempKeys)]
    const context = { commandId: idOf(n), at: Date.now() + n * HOUR, principal }
    const userId = principal._tag === "User" ? principal.userId : undefined
    const asking = (tag: string, shown?: string) => void asks.set(idOf(n), { by: principal, tag, shown, userId })
    const command = (request: object) => execute({ ...context, lockId, ...request } as never)
    asking(what._tag)
    const place = "key" in what ? `${lockId}-${what.key}` : ""
    const link = "key" in what ? (links.get(place) ?? uuidOf(16 * lockId + what.key)) : ""
    const uuid = "key" in what ? uuidOf(0x200 + what.key) : ""
    switch (what._tag) {
      case "CreateLock":
        return command({ ...what, index: 1, keys: [{ uuid: "key-0", userId: "holder" }] })
      case "ChangeThing":
        return command(requestFor("LockUuidChanged", { newUuid: what.newUuid }))
      case "AddKey":
        return command({ _tag: what._tag, keyUuid: `key-${what.key}`, userId: what.userId })
      case "RemoveKey":
      case "WriteKey":
        return command({ _tag: what._tag, keyUuid: `key-${what.key - 1}` })
      case "CreateTempKey": {
        const listed = { accessMode: "user-whitelist", allowedUserIds: ["eve"] }
        const terms = what.isListed ? listed : { accessMode: "public" }
        return command({ _tag: what._tag, tempKeyUuid: link, ...terms, ...window })
      }
      case "UseTempKey":
        return command({ _tag: what._tag, tempKeyUuid: link, ...(userId !== undefined && { userId }) })
      case "UpdateTempKey":
        return command({ _tag: what._tag, tempKeyUuid: link, description: `changed by step ${n}` })
      case "DeleteTempKey":
      case "SuspendTempKey":
      case "ResumeTempKey":
        return command({ _tag: what._tag, tempKeyUuid: link })
      case "ChangeTempKeyLink": {
        const newTempKeyUuid = uuidOf(0x1000 + n)
        const changing = command({ _tag: what._tag, tempKeyUuid: link, newTempKeyUuid })
        return Effect.tap(changing, () => Effect.sync(() => links.set(place, newTempKeyUuid)))
      }
      case "OpenByLink": {
        const shown = what.upper ? upper(link) : link
        asking("OpenByLink", shown)
        return Context.get(services, TempKeyLinks).open({
          ...context,
          link: shown,
          ...(userId !== undefined && { userId })
        })
      }
      case "Share": {
        const doors = what.doors.map(([id, accessMethod]) => ({ lockId: String(id), accessMethod }))
        const making = shared.share({ ...context, uuid, ...window, doors }, pinKey)
        return Effect.tap(making, ({ pin }) => Effect.sync(() => audit.pinOf(uuid, pin ?? "")))
      }
      case "AddDoor":
      case "ReissuePin": {
        const addDoors = [
          { lockId: String(lockId), accessMethod: what._tag === "AddDoor" ? what.door : "key" }
        ] as const
        const changing =
          what._tag === "AddDoor"
            ? keys.change(context, audit.linkOf(uuid), { addDoors }, pinKey)
            : keys.reissuePin(context, audit.linkOf(uuid), pinKey)
        return Effect.tap(changing, ({ pin }) => Effect.sync(() => pin !== null && audit.pinOf(uuid, pin)))
      }
      case "SuspendShared":
        return keys.suspend(context, audit.linkOf(uuid))
      case "ResumeShared":
        return keys.resume(context, audit.linkOf(uuid))
      case "ChangeSharedLink":
        return keys.changeLink(context, audit.linkOf(uuid), uuidOf(0x2000 + n))
      case "EndShared":
        return keys.end(context, audit.linkOf(uuid))
      case "OpenDoor": {
        const doors = Context.get(services, SharedDoors)
        const shown = what.by === "PIN" ? audit.pinFor(uuid) : what.by === "link" ? audit.linkOf(uuid) : uuid
        asking("OpenDoor", shown)
        const networks = [`2001:db8:${n.toString(16)}::/48`]
        return what.by === "PIN"
          ? doors.openByPin({ ...context, lockId, pin: shown, networks }, pinKey)
          : doors.open({ ...context, uuid: shown, doorId: what.door, userId })
      }
      case "Bulk": {
        const added = LOCKS.map((key) => ({ keyUuid: `bulk-${n}-${key}`, userId: "holder" }))
        return Context.get(services, BulkAddKeys).start({
          ...context,
          lockId,
          keys: [added[0] ?? { keyUuid: "" }, ...added.slice(1)]
        })
      }
      case "GiveUpKeys":
        return Context.get(services, KeyRemovals).ofUser(what.userId, context)
      case "RemoveInherited":
        return Context.get(services, KeyRemovals).inherited({ ...context, lockId })
      case "RevokeKey":
        return people.revoke
      default:
        return command(what)
    }
  }

  const underWay = Effect.map(street.store.feed(0, 10_000, { category: "bulk" }), (events) => {
    const requests = events.filter(({ type }) => type === "BulkAddKeysRequested").length
    return (LOCKS.length + 1) * requests - events.length
  })

  return {
    audit,
    setMode: street.shadow.setMode,
    step: Effect.fnUntraced(function* (step: Step) {
      const n = ++done
      const principal = yield* people.named(step.who, step.lock)
      if (principal !== undefined) yield* Effect.result(carryOut(step, principal, n))
      yield* look
    }),
    end: Effect.gen(function* () {
      yield* street.shadow.setMode("ok")
      while ((yield* underWay) > 0) yield* Effect.sleep("5 millis")
      yield* look
    }),
    look
  }
})

it(
  "a thing does what its owner, its organization, their key holders and their guests say, and what nobody else does",
  async () => {
    const kinds = new Map<string, number>()
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: 3 }),
      fc.array(modes, { maxLength: 3 }),
      steps,
      (dispute, shadow, steps) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const { step, end, look, audit, setMode } = yield* makeLife(dispute === 3)
              yield* look
              if (dispute !== 3) for (const one of FURNITURE) yield* step(one)
              for (const [index, one] of steps.entries()) {
                yield* setMode((shadow[Math.floor(index / 10)] ?? "ok") as "ok")
                yield* step(one)
                expect(audit.wrong).toEqual([])
              }
              yield* end
              expect(audit.wrong).toEqual([])
              for (const [kind, count] of audit.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + count)
            })
          )
        )
    )
    await fc.assert(property, { numRuns: RUNS, seed: SEED })
    console.log(
      `seed ${SEED}: ${[...kinds]
        .sort()
        .map(([kind, count]) => `${count} ${kind}`)
        .join(", ")}`
    )
  },
  60_000 + RUNS * 2_000
)
