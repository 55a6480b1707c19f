/** A lock's connection over MQTT, to the broker of `latchkey serve`, or to AWS IoT or any other that has the same topics. */
import { connect, type IClientOptions } from "mqtt"
import { cannotConnect, closedAtOnce, topicsRefused } from "./cannotConnect.ts"
import type { Wire } from "./SimulatedLock.ts"

export interface MqttWireOptions {
  /** `mqtt://host:port`, or `mqtts://…`. */
  readonly url: string
  readonly thing: string
  readonly password?: string | undefined
  /**
   * Brokers that do not know about devices are told of their presence by the device: at once, and by its will. Latchkey's
   * own broker, and AWS IoT, do not let devices do that.
   */
  readonly tellsPresence?: boolean
}

const HEARD = ["get/accepted", "get/rejected", "update/accepted", "update/rejected", "update/delta"]
const CONNECT_TIMEOUT = 10_000
/** What the broker says of a lock that it has lost. */
const LOST = Buffer.from(JSON.stringify({ disconnectReason: "CONNECTION_LOST" }))
/** Milliseconds between two signs of life, where the broker gives none. */
const TELL_EVERY = 600_000

export const mqttWire = ({ url, thing, password, tellsPresence = false }: MqttWireOptions): Wire => ({
  connect: (listener) => {
    const root = `$aws/things/${thing}/shadow/`
    const presence = (event: string) => `$aws/events/presence/${event}/${thing}`
    const options: IClientOptions = {
      clientId: thing,
      username: thing,
      clean: true,
      // The lock itself comes back, when it thinks best.
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT,
      ...(password !== undefined && { password }),
      ...(tellsPresence && { will: { topic: presence("disconnected"), payload: LOST, qos: 1 } })
    }
    const client = connect(url, options)
    let reason: string | undefined = closedAtOnce(url)
    client.on("connect", () => {
      client.subscribe(
        HEARD.map((topic) => root + topic),
        { qos: 1 },
        (error) => {
          if (error) {
            reason = topicsRefused(url, thing)
            return void client.end(true)
          }
          if (tellsPresence) {
            const tell = () => client.publish(presence("connected"), "{}", { qos: 1 })
            tell()
            const telling = setInterval(tell, TELL_EVERY)
            client.once("close", () => clearInterval(telling))
          }
          listener.opened()
        }
      )
    })
    client.on("message", (topic, payload) => listener.heard(topic.slice(root.length), payload.toString("utf8")))
    client.on("error", (error) => {
      reason = cannotConnect(url, thing, error)
    })
    client.once("close", () => {
      client.end(true)
      listener.ended(reason)
    })
    return {
      say: (topic, payload) => void client.publish(root + topic, payload, { qos: 1 }, () => {}),
      end: () => client.stream.destroy()
    }
  }
})
