/** A thing that is free is claimed by whoever it belongs to: by proof, or by an organization that nobody speaks against. */
import { hash, randomBytes } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { type Claim, type ClaimPolicy, mayClaim } from "../src/access/Claims.ts"
import { type DeviceProof, DeviceSecrets } from "../src/access/DeviceSecrets.ts"
import { Secrets } from "../src/access/Secrets.ts"
import { EventStore } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"
import { lockUuid, requestFor } from "./scenario.ts"
import { create, makeWorld } from "./world.ts"

const ann: Principal = { _tag: "User", userId: "ann" }
const acme: Principal = { _tag: "Organization", orgId: "acme" }
const zeta: Principal = { _tag: "Organization", orgId: "zeta" }
const nameless: Principal = { _tag: "Organization", orgId: "" }
const operator: Principal = { _tag: "Super" }
const guest: Principal = { _tag: "Guest" }
const everybody = { ann, acme, zeta, nameless, operator, guest }

const bare: DeviceProof = { isProven: false, hasProof: false }
const never = undefined
const freed = (orgId: string): Claim => ({ lockIds: [], orgId })

/** Who may claim a thing, before the policy; everybody may who proves it, but for nobody. */
type Row = [
  title: string,
  claim: Claim | undefined,
  device: DeviceProof,
  may: ReadonlyArray<keyof typeof everybody>,
  open?: "ann"
]
const rows: ReadonlyArray<Row> = [
  ["that nobody ever had", never, bare, ["acme", "zeta", "nameless", "operator"], "ann"],
  ["that nobody ever had, and that has a secret", never, { ...bare, hasProof: true }, ["operator"]],
  ["that the operator gave to acme", never, { ...bare, hasProof: true, orgId: "acme" }, ["acme", "operator"]],
  ["that acme had", freed("acme"), bare, ["acme", "operator"]],
  ["that acme had, and that has a secret", freed("acme"), { ...bare, hasProof: true }, ["acme", "operator"]],
  [
    "that acme had, and that the operator gave to zeta",
    freed("acme"),
    { ...bare, orgId: "zeta" },
    ["zeta", "operator"]
  ],
  ["that a user had", freed(""), bare, ["acme", "zeta", "nameless", "operator"]],
  ["that a user had, and that has a secret", freed(""), { ...bare, hasProof: true }, ["operator"]]
]

const cases = rows.map(([title, claim, device, may, open]) => ({ title, claim, device, may, open }))
describe.each(cases)("a thing $title", ({ claim, device, may, open }) => {
  it.each(["proof", "open"] as const satisfies ReadonlyArray<ClaimPolicy>)(
    "is claimed by these alone: %s",
    (policy) => {
      const allowed = Object.entries(everybody).flatMap(([name, one]) =>
        mayClaim(one, claim, device, policy) ? [name] : []
      )
      expect(allowed.toSorted()).toEqual([...may, ...(policy === "open" && open ? [open] : [])].toSorted())
    }
  )

  it("is claimed by anybody who proves that it is theirs", () => {
    const proven = { ...device, isProven: true }
    for (const one of [ann, acme, zeta, operator]) expect(mayClaim(one, claim, proven, "proof")).toBe(true)
  })
})

let made = 0
const cryptography = Layer.succeed(Secrets, {
  draw: () => randomBytes(32).toString("base64url"),
  hash: (text) => hash("sha256", text, "base64url"),
  newId: () => `secret-${++made}`
})

const makeDevice = Effect.fnUntraced(function* (orgId?: string) {
  const world = yield* makeWorld
  const services = yield* Effect.provideService(
    Layer.build(Layer.fresh(DeviceSecrets.layer.pipe(Layer.provide(cryptography)))),
    EventStore,
    world.store
  )
  const devices = Context.get(services, DeviceSecrets)
  const made = yield* devices.create(lockUuid, orgId)
  return { ...world, ...made, devices, execute: yield* world.process({ claims: "proof" }) }
})
const denied = { _tag: "AccessDenied", needed: expect.stringMatching(/deviceSecret.*claimCode/) }

describe("a device with a secret and a claim code", () => {
  it.live("is claimed with the secret, as often as it is free", () =>
    Effect.gen(function* () {
      const { execute, secret, devices, secretId } = yield* makeDevice()
      for (const principal of [ann, acme])
        expect(yield* Effect.flip(execute(create, { principal }))).toMatchObject(denied)
      expect(yield* Effect.flip(execute({ ...create, deviceSecret: `${secret}x` }, { principal: ann }))).toMatchObject(
        denied
      )
      yield* execute({ ...create, uuid: lockUuid.toUpperCase(), deviceSecret: secret }, { principal: ann })
      const away = requestFor("LockUuidChanged", { newUuid: "0b0e8400-e29b-41d4-a716-44665544000b" })
      yield* execute(away)
      yield* execute({ ...create, deviceSecret: secret }, { principal: ann, lockId: 8 })
      yield* execute(requestFor("LockUuidChanged", { newUuid: "0b0e8400-e29b-41d4-a716-44665544000c" }), { lockId: 8 })
      yield* devices.revoke(secretId)
      expect(
        yield* Effect.flip(execute({ ...create, deviceSecret: secret }, { principal: ann, lockId: 9 }))
      ).toMatchObject(denied)
    })
  )

  it.live("is claimed once with the code, however it is typed, by one of many at once", () =>
    Effect.gen(function* () {
      const { process, claimCode, execute, store } = yield* makeDevice()
      expect(claimCode).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}$/)
      const typed = {
        ...create,
        claimCode: ` ${claimCode.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l")}`
      }
      const servers = yield* Effect.forEach(Array.from({ length: 8 }), () => process({ claims: "proof" }))
      const answers = yield* Effect.forEach(
        servers,
        (one, n) => Effect.result(one(typed, { principal: ann, lockId: n + 1 })),
        { concurrency: "unbounded" }
      )
      const won = answers.findIndex(({ _tag }) => _tag === "Success") + 1
      expect(answers.filter(({ _tag }) => _tag === "Success")).toHaveLength(1)
      yield* execute(requestFor("LockUuidChanged", { newUuid: "0b0e8400-e29b-41d4-a716-44665544000b" }), {
        lockId: won
      })
      expect(yield* Effect.flip(execute(typed, { principal: ann, lockId: 20 }))).toMatchObject(denied)
      const log = JSON.stringify([yield* store.feed(0, 100), yield* store.records("", "", 100)])
      expect(log).toContain("ClaimCodeUsed")
      expect(log).not.toContain(claimCode)
      expect(log).not.toContain(typed.claimCode)
    })
  )

  it.live("of an organization is that organization's to claim, and nobody else's without proof", () =>
    Effect.gen(function* () {
      const { execute, secret } = yield* makeDevice("acme")
      for (const principal of [zeta, ann])
        expect(yield* Effect.flip(execute({ ...create, uuid: lockUuid.toUpperCase() }, { principal }))).toMatchObject(
          denied
        )
      const log = yield* execute(create, { principal: acme })
      expect(JSON.stringify(log)).not.toContain(secret)
    })
  )
})

describe("a device whose secret was made under another spelling of its uuid", () => {
  const mixed = lockUuid.replace("e29b", "E29b").replace("0b0e", "0B0e")

  it.live("is claimed with it, and signs in with it, until it is revoked", () =>
    Effect.gen(function* () {
      const { execute, devices, store } = yield* makeDevice()
      const { secret, claimCode, secretId } = yield* devices.create(mixed)
      for (const name of [mixed, lockUuid, lockUuid.toUpperCase()])
        expect([name, yield* devices.isSecretOf(name, secret)]).toEqual([name, true])
      expect(yield* devices.isSecretOf("0b0e8400-e29b-41d4-a716-44665544000b", secret)).toBe(false)
      yield* execute({ ...create, claimCode }, { principal: ann })
      expect(JSON.stringify(yield* store.read(`device-${mixed}`, 0, 10))).toContain("ClaimCodeUsed")
      yield* devices.revoke(secretId)
      expect(yield* devices.isSecretOf(lockUuid, secret)).toBe(false)
    })
  )

  it.live("before there were records of spellings is found all the same", () =>
    Effect.gen(function* () {
      const { store, devices, process } = yield* makeDevice()
      const { secret } = yield* devices.create(mixed)
      yield* store.write({ remove: [`thing-name/${lockUuid}/${mixed}`, "thing-names"] })
      const execute = yield* process({ claims: "proof" })
      // Who has no proof is refused because there is one: the spelling is known.
      const zetas = { principal: zeta, lockId: 8 }
      expect(yield* Effect.flip(execute(create, zetas))).toMatchObject(denied)
      yield* execute({ ...create, deviceSecret: secret }, zetas)
    })
  )
})
