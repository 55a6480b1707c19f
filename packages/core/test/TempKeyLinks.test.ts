/** A guest with a link: what they learn of the key, and what happens when they open. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Option } from "effect"
import { Presence, PresenceUnavailable } from "../src/device/Presence.ts"
import { type OpenRequest, TempKeyLinks } from "../src/guest/TempKeyLinks.ts"
import { ReadModel, ReadModelUnavailable } from "../src/read-model/ReadModel.ts"
import type { StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { clock, lockId, lockUuid, millis, type Request } from "./scenario.ts"
import { makeSharedWorld, sharing, thingOf, uuidOf } from "./shared.ts"
import { create, createAnother, makeWorld } from "./world.ts"

const tempKeyUuid = "7e3b0000-0000-4000-8000-00000000000a"
const other = "7e3b0000-0000-4000-8000-00000000000b"
const ADA = "ada00000-0000-4000-8000-000000000001"
const BOB = "b0b00000-0000-4000-8000-000000000002"
const guest: Principal = { _tag: "Guest" }
const publicKey = {
  _tag: "CreateTempKey",
  tempKeyUuid,
  accessMode: "public",
  validFrom: clock("09:00"),
  validUntil: clock("17:00"),
  maxUses: 2
} as const satisfies Request
const forAda = { ...publicKey, accessMode: "user-whitelist", allowedUserIds: [ADA] } as const satisfies Request
const noon = millis("12:00")

const unavailable = Effect.fail(new ReadModelUnavailable({ message: "gone" }))
const noReadModel: ReadModel["Service"] = {
  source: "none",
  cursor: unavailable,
  apply: () => unavailable,
  get: () => unavailable,
  find: () => unavailable,
  reset: unavailable
}

const presenceUnavailable = Effect.fail(new PresenceUnavailable({ message: "gone" }))
const noPresence: Presence["Service"] = { report: () => presenceUnavailable, of: () => presenceUnavailable }

/** A lock, and a process that guests reach; the lock is changed by another one. */
const makeLinks = Effect.fnUntraced(function* (...requests: ReadonlyArray<Request>) {
  const world = yield* makeWorld
  const execute = yield* world.process()
  yield* execute(create)
  for (const request of requests) yield* execute(request)
  const links = Context.get(yield* world.latchkey(), TempKeyLinks)
  let opens = 0
  const open = (context: Partial<OpenRequest> = {}) =>
    links.open({ link: tempKeyUuid, commandId: `open-${++opens}`, at: noon, principal: guest, ...context })
  return { ...world, execute, links, open }
})

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

describe("a link", () => {
  it.live("shows what its key allows", () =>
    Effect.gen(function* () {
      const { links, execute, presence } = yield* makeLinks(publicKey)
      const key = {
        admission: "admitted",
        validFrom: millis("09:00"),
        validUntil: millis("17:00"),
        usesLeft: 2,
        nextChangeAt: millis("17:00"),
        doors: [{ opensBy: "link", online: false }]
      }
      expect(yield* links.view(tempKeyUuid, undefined, noon)).toStrictEqual({ status: "valid", ...key })
      expect(yield* links.view(tempKeyUuid.toUpperCase(), ADA, noon)).toMatchObject({ status: "valid" })
      expect(yield* links.view(tempKeyUuid, undefined, millis("08:59"))).toMatchObject({ status: "not-yet-valid" })
      expect(yield* links.view(tempKeyUuid, undefined, millis("17:00"))).toMatchObject({ status: "expired" })
      yield* presence.report({ thing: lockUuid, online: true, at: 1 })
      yield* execute({ _tag: "UpdateTempKey", tempKeyUuid, maxUses: null })
      expect(yield* links.view(tempKeyUuid, undefined, noon)).toMatchObject({
        usesLeft: null,
        doors: [{ online: true }]
      })
    })
  )

  it.live("says of a deleted key that it was deleted, and of one that never was that there is none", () =>
    Effect.gen(function* () {
      const { links, open } = yield* makeLinks(publicKey, { _tag: "DeleteTempKey", tempKeyUuid })
      expect(yield* links.view(tempKeyUuid, undefined, noon)).toStrictEqual({ status: "deleted" })
      expect(yield* Effect.flip(open())).toMatchObject({ _tag: "TempKeyNotValid", status: "deleted" })
      expect(yield* tagOf(links.view(other, undefined, noon))).toBe("LinkNotFound")
      expect(yield* tagOf(open({ link: other }))).toBe("LinkNotFound")
    })
  )

  it.live("tells whether its user must sign in, or is not meant", () =>
    Effect.gen(function* () {
      const { links } = yield* makeLinks(forAda)
      const admission = (userId?: string) =>
        Effect.map(links.view(tempKeyUuid, userId, noon), (key) => "admission" in key && key.admission)
      expect(yield* admission()).toBe("sign-in")
      expect(yield* admission(ADA.toUpperCase())).toBe("admitted")
      expect(yield* admission(BOB)).toBe("not-listed")
    })
  )
})

describe("a link to several doors", () => {
  it.live("shows each door by its name, how it opens and whether it is connected, until it is revoked", () =>
    Effect.gen(function* () {
      const world = yield* makeSharedWorld
      const links = Context.get(yield* world.latchkey(), TempKeyLinks)
      const doors = [
        { lockId: "1", label: "Front door", accessMethod: "both" },
        { lockId: "2", accessMethod: "code" }
      ] as const
      yield* world.process.share(sharing([], { doors }), uuidOf(1))
      yield* world.presence.report({ thing: thingOf(1), online: true, at: 1 })
      const view = (at: string) => links.view(uuidOf(1), undefined, millis(at))
      expect(yield* view("12:00")).toStrictEqual({
        status: "valid",
        admission: "admitted",
        validFrom: millis("08:00"),
        validUntil: millis("18:00"),
        nextChangeAt: millis("18:00"),
        usesLeft: null,
        orgId: "org-1",
        doors: [
          { id: 1, label: "Front door", opensBy: "link", online: true },
          { id: 2, opensBy: "pin", online: false }
        ]
      })
      expect(yield* view("07:00")).toMatchObject({ status: "not-yet-valid", nextChangeAt: millis("08:00") })
      expect(yield* view("18:00")).toMatchObject({ status: "expired", nextChangeAt: undefined })
      yield* world.process.revoke(uuidOf(1))
      expect(yield* view("12:00")).toStrictEqual({ status: "deleted" })
    })
  )
})

describe("opening by a link", () => {
  it.live("uses the key and tells the door, and names the use", () =>
    Effect.gen(function* () {
      const { links, open, log, shadow } = yield* makeLinks(publicKey)
      const opened = yield* open()
      expect(opened).toStrictEqual({ version: 3, usedCount: 1, online: false })
      expect(yield* log).toEqual(["LockCreated", "TempKeyCreated", "TempKeyUsed", "LockOpenRequested"])
      expect(Object.keys(yield* shadow.held(lockUuid))).toEqual(["open-1"])
      expect(yield* links.opening(tempKeyUuid, undefined, opened.version)).toEqual(Option.some(noon))
    })
  )

  it.live("of other versions, and of other keys, no use is known", () =>
    Effect.gen(function* () {
      const { links, open, execute } = yield* makeLinks(publicKey, { ...publicKey, tempKeyUuid: other })
      const { version } = yield* open()
      for (const no of [1, 2, version + 1, 99])
        expect(yield* links.opening(tempKeyUuid, undefined, no)).toEqual(Option.none())
      expect(yield* links.opening(other, undefined, version)).toEqual(Option.none())
      yield* execute({ _tag: "DeleteTempKey", tempKeyUuid })
      expect(yield* links.opening(tempKeyUuid, undefined, version)).toEqual(Option.some(noon))
    })
  )

  it.live("with a receipt happens once, and is answered so again when the key is used up", () =>
    Effect.gen(function* () {
      const { open, log } = yield* makeLinks({ ...publicKey, maxUses: 1 })
      const receipt = { id: "page-1", fingerprint: "" }
      const answers = yield* Effect.all([open({ receipt }), open({ receipt }), open({ receipt })], {
        concurrency: "unbounded"
      })
      expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([3]))
      expect(yield* log).toHaveLength(4)
      expect(yield* Effect.flip(open())).toMatchObject({ status: "used-up" })
    })
  )

  it.live("with a key for named users takes one of them", () =>
    Effect.gen(function* () {
      const { open, log } = yield* makeLinks(forAda)
      expect(yield* tagOf(open())).toBe("SignInNeeded")
      expect(yield* tagOf(open({ userId: BOB, principal: { _tag: "User", userId: BOB } }))).toBe("AccessDenied")
      expect(yield* log).toHaveLength(2)
      expect(yield* open({ userId: ADA, principal: { _tag: "User", userId: ADA } })).toMatchObject({ usedCount: 1 })
    })
  )

  it.live("spends nothing when the device cannot be told", () =>
    Effect.gen(function* () {
      const { open, log, shadow } = yield* makeLinks(publicKey)
      yield* shadow.setMode("reject")
      expect(yield* tagOf(open())).toBe("DeviceUnreachable")
      expect(yield* log).toHaveLength(2)
    })
  )
})

describe("while the read model is away", () => {
  it.live("links are found all the same, also new ones; a link that is another key's is refused", () =>
    Effect.gen(function* () {
      const { ports, latchkey, execute } = yield* makeLinks(publicKey)
      const links = Context.get(
        yield* latchkey(ports.pipe(Context.add(ReadModel, noReadModel), Context.add(Presence, noPresence))),
        TempKeyLinks
      )
      const open = (uuid: string, commandId: string) =>
        links.open({ link: uuid, commandId, at: noon, principal: guest })
      expect(yield* open(tempKeyUuid, "first")).toStrictEqual({ version: 3, usedCount: 1, online: undefined })
      expect(yield* tagOf(open(other, "none"))).toBe("LinkNotFound")
      const elsewhere = { lockId: lockId + 1 }
      yield* execute(createAnother, elsewhere)
      yield* execute({ ...publicKey, tempKeyUuid: other }, elsewhere)
      expect(yield* tagOf(execute({ ...publicKey, tempKeyUuid: other.toUpperCase() }))).toBe("TempKeyExists")
      expect(yield* open(other, "second")).toMatchObject({ version: 3 })
      expect(yield* links.view(tempKeyUuid, undefined, noon)).toMatchObject({ doors: [{ online: undefined }] })
    })
  )

  it.live("what an older Latchkey has stored is found by the feed, of two keys with one link the first", () =>
    Effect.gen(function* () {
      const { ports, store, latchkey, execute } = yield* makeLinks(publicKey)
      const elsewhere = { lockId: lockId + 1 }
      yield* execute({ ...create, uuid: thingOf(lockId + 1) }, elsewhere)
      yield* execute({ ...publicKey, tempKeyUuid: other }, elsewhere)
      // As it would be without records of links, and with the link of the other lock's key on this one too.
      const [_, stored] = yield* store.read(`lock-${lockId}`, 0, 10)
      const { streamId, version, position, eventId, ...event } = stored as StoredEvent
      const double = { ...event, eventId: `${eventId}-double`, data: { ...event.data, tempKeyUuid: other } }
      yield* store.write({
        append: [{ streamId, expectedVersion: version, events: [double] }],
        remove: ["links", `link/${tempKeyUuid}`, `link/${other}`]
      })
      const links = Context.get(yield* latchkey(ports), TempKeyLinks)
      expect(yield* links.resolve(tempKeyUuid)).toEqual({ _tag: "Lock", lockId })
      expect(yield* links.resolve(other)).toEqual({ _tag: "Lock", lockId: lockId + 1 })
      expect(yield* store.records("link/", "", 10)).toHaveLength(2)
    })
  )
})
