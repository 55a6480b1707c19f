/** Devices at a Mosquitto that is there already, with its own passwords and access list. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { DeviceShadow } from "@latchkey/core"
import { LocalShadow, ShadowBridge } from "@latchkey/local-shadow"
import { Effect, Queue, Stream } from "effect"
import { temporaryFolder } from "./fixture.ts"
import { connectDevice, inMemory } from "./mqttFixture.ts"

const MOSQUITTO = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].find(
  (program) => spawnSync(program, ["-h"]).error === undefined
)

/** What an operator gives Mosquitto: a device is its user name, and has its own shadow alone. */
const ACCESS = `user latchkey
topic readwrite $aws/things/#
topic read $aws/events/presence/#
pattern write $aws/things/%u/shadow/get
pattern write $aws/things/%u/shadow/update
pattern write $aws/things/%u/shadow/delete
pattern read $aws/things/%u/shadow/#
pattern write $aws/events/presence/connected/%u
pattern write $aws/events/presence/disconnected/%u
`

const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" ? (address?.port ?? 0) : 0
}

const startMosquitto = Effect.gen(function* () {
  if (MOSQUITTO === undefined) return expect.fail("mosquitto is not installed: run scripts/install-services")
  const folder = yield* temporaryFolder
  const port = yield* Effect.promise(freePort)
  const passwords = join(folder, "passwords")
  writeFileSync(join(folder, "access"), ACCESS, { mode: 0o600 })
  writeFileSync(passwords, "latchkey:backend\nlock:one\nthief:two\n", { mode: 0o600 })
  spawnSync("mosquitto_passwd", ["-U", passwords])
  writeFileSync(
    join(folder, "mosquitto.conf"),
    `listener ${port} 127.0.0.1\npassword_file ${passwords}\nacl_file ${join(folder, "access")}\nuser ${process.env["USER"] ?? "root"}\n`
  )
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const child: ChildProcess = spawn(MOSQUITTO, ["-c", join(folder, "mosquitto.conf")], {
        stdio: ["ignore", "ignore", "pipe"]
      })
      for await (const line of child.stderr ?? []) if (/running/.test(String(line))) return child
      return expect.fail("mosquitto did not start")
    }),
    (child) => Effect.promise(async () => void (child.kill() && (await once(child, "exit"))))
  )
  return `127.0.0.1:${port}`
})

it.live("devices reach their shadows, and their presence is told by their wills", () =>
  Effect.gen(function* () {
    const address = yield* startMosquitto
    yield* ShadowBridge.serve(new URL(`mqtt://latchkey:backend@${address}`))
    const shadows = yield* LocalShadow
    const { reports } = yield* DeviceShadow
    const told = yield* Queue.unbounded<unknown>()
    yield* shadows.connected("begun")
    const presence = Stream.filter(reports, ({ _tag }) => _tag === "Presence")
    yield* Effect.forkScoped(Stream.runForEach(presence, (report) => Queue.offer(told, report)))
    expect(yield* Queue.take(told)).toMatchObject({ thing: "begun" })

    const will = { topic: "$aws/events/presence/disconnected/lock", payload: Buffer.from("{}"), qos: 1 as const }
    const lock = yield* connectDevice(`mqtt://${address}`, "lock", { password: "one", will })
    yield* Effect.promise(() => lock.client.publishAsync("$aws/events/presence/connected/lock", "{}", { qos: 1 }))
    expect(yield* Queue.take(told)).toMatchObject({ thing: "lock", online: true })
    yield* shadows.update("lock", { state: { desired: { a: 1 } } })
    expect(yield* lock.hear("update/delta")).toMatchObject({ state: { a: 1 } })
    lock.say("update", { state: { reported: { a: 1 } }, clientToken: "t" })
    expect(yield* lock.hear("update/accepted")).toMatchObject({ clientToken: "t", version: 2 })
    lock.say("get")
    expect(yield* lock.hear("get/accepted")).toMatchObject({ version: 2 })

    const thief = yield* connectDevice(`mqtt://${address}`, "thief", { password: "two" })
    yield* Effect.promise(() =>
      thief.client.publishAsync("$aws/things/lock/shadow/update", '{"state":{"desired":{"b":1}}}', { qos: 1 })
    )
    thief.say("get")
    expect(yield* thief.hear("get/rejected")).toMatchObject({ code: 404 })
    // What it may say shows that it is there.
    expect(yield* Queue.take(told)).toMatchObject({ thing: "thief", online: true })
    expect((yield* shadows.get("lock")).version).toBe(2)
    lock.client.stream.destroy()
    expect(yield* Queue.take(told)).toMatchObject({ thing: "lock", online: false })
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)

it.live("whoever names a broker that is not there, or does not let it in, is told so, without the password", () =>
  Effect.gen(function* () {
    const address = yield* startMosquitto
    const nobody = yield* Effect.promise(freePort)
    for (const host of [address, `127.0.0.1:${nobody}`]) {
      const { message } = yield* Effect.flip(ShadowBridge.serve(new URL(`mqtt://latchkey:wrong@${host}`)))
      expect(message).toMatch(host)
      expect(message).not.toMatch("wrong")
    }
  }).pipe(Effect.scoped, Effect.provide(inMemory))
)
