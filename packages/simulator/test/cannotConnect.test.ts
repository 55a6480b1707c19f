/** Why a lock cannot connect is said once for each cause, with what to do, and again when it is connected. */
import { createServer as createHttpServer } from "node:http"
import { createServer, type Server } from "node:net"
import { expect, it, vi } from "vitest"
import { reachability } from "../src/index.ts"
import { mqttWire } from "../src/MqttWire.ts"

const THING = "6d5a8b1e-0000-4000-8000-000000000001"

const listening = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`
}

/** A broker that answers CONNECT with this code. */
const answering = (code: number) =>
  createServer((socket) => socket.once("data", () => socket.end(Buffer.from([0x20, 2, 0, code]))))

const reasonAt = (url: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    mqttWire({ url, thing: THING, password: "hunter2" }).connect({
      opened: () => resolve("opened"),
      heard: () => {},
      ended: resolve
    })
  })

it.each([
  ["a wrong secret", () => answering(5), `latchkey devices create ${THING}`],
  ["a wrong name", () => answering(4), "--secret"],
  ["too many tries", () => answering(3), "too often"],
  ["the port of the API", () => createHttpServer(), "8788"],
  ["a port that closes connections", () => createServer((socket) => socket.destroy()), "--url"]
])("%s is told with what to do", async (_, server, advice) => {
  const listener = server()
  const address = await listening(listener)
  const reason = await reasonAt(`mqtt://${address}`)
  expect(reason).toContain(advice)
  expect(reason).toContain(address)
  expect(reason).not.toContain("\n")
  expect(reason).not.toContain("hunter2")
  listener.close()
})

it("a port on which nobody listens, and a host that is none, are told with what to do", async () => {
  const server = createServer()
  const address = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  expect(await reasonAt(`mqtt://${address}`)).toMatch(/nothing listens there.*latchkey serve/)
  expect(await reasonAt("mqtt://user:pass@no.such.host.invalid:1")).toMatch(
    /^Cannot connect to mqtt:\/\/no.*Check --url/
  )
})

it("TLS where there is none is told", async () => {
  const server = createHttpServer()
  const address = await listening(server)
  expect(await reasonAt(`mqtts://${address}`)).toMatch(/TLS|not an MQTT broker|closed/)
  server.close()
})

it("a cause is told once for all locks, another one too, and the end of them all", () => {
  const { hear, problem } = reachability("mqtt://broker")
  const away = (thing: string, reason: string) => hear({ _tag: "CutOff", thing, at: 0, reason })
  const back = (thing: string) => hear({ _tag: "Online", thing, at: 0, battery: 50 })
  expect(back("a")).toBeUndefined()
  expect(away("a", "Nothing listens.")).toBe("Nothing listens. Trying again.")
  expect(away("b", "Nothing listens.")).toBeUndefined()
  expect(problem()).toBe("Nothing listens.")
  expect(away("a", "It is busy.")).toBe("It is busy. Trying again.")
  expect(back("a")).toBeUndefined()
  expect(back("b")).toBe("Connected to mqtt://broker.")
  expect(problem()).toBeUndefined()
  expect(back("b")).toBeUndefined()
  expect(away("b", "Nothing listens.")).toBe("Nothing listens. Trying again.")
})

it("a lock tells a cause once, however often it tries", async () => {
  const { FAULTS, simulateLock, virtualTime } = await import("../src/index.ts")
  const time = virtualTime()
  const incidents: Array<string> = []
  let tries = 0
  const lock = simulateLock({
    thing: THING,
    seed: 1,
    faults: FAULTS.none,
    time,
    wire: {
      connect: (listener) => {
        tries++
        time.after(1, () => (tries === 20 ? listener.opened() : listener.ended(tries < 10 ? "one" : "other")))
        return { say: () => {}, end: () => {} }
      }
    },
    onIncident: (incident) => incidents.push(incident._tag === "CutOff" ? incident.reason : incident._tag)
  })
  time.runUntil(600_000)
  await vi.waitFor(() => expect(incidents).toEqual(["one", "other", "Online"]), { timeout: 60_000 })
  lock.stop()
})
