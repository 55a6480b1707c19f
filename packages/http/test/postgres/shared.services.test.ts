/** What servers over one log must have in common is looked at when they start. */
import { expect, it } from "vitest"
import { startMosquitto } from "../harness/mosquitto.ts"
import { newSchema } from "../harness/postgres.ts"
import { configured, type Environment, runToEnd, startServer, temporaryFolder } from "../harness/process.ts"

const KEY = "a-key-for-pins-of-thirty-two-bytes"

it("a server with other shadows, or another key for PINs, is refused unless an operator means it", {
  timeout: 180_000
}, async () => {
  using one = temporaryFolder()
  using other = temporaryFolder()
  await using schema = newSchema()
  const environment = (folder: string, more: Environment = {}) => ({
    ...configured(folder),
    ...schema.environment,
    LATCHKEY_PIN_KEY: KEY,
    ...more
  })
  const refusal = async (variables: Environment) => {
    const { code, output } = await runToEnd(variables)
    return [code, output]
  }
  const refused = (variable: string) => [1, expect.stringContaining(`latchkey: ${variable}: the servers on this log`)]
  await using first = await startServer(environment(one.path))
  // Shadows are in the store too: a folder need not be shared.
  await using second = await startServer(environment(other.path))
  const otherKey = { LATCHKEY_PIN_KEY: `${KEY}-2` }
  expect(await refusal(environment(other.path, otherKey))).toEqual(refused("LATCHKEY_PIN_KEY"))
  await Promise.all([first.kill(), second.kill()])
  const isElsewhere = (before: string, after: string) =>
    schema.query(`UPDATE ${schema.schema}.records SET value = $2 WHERE value = $1`, before, after)
  await isElsewhere("in the log's store", "aws lock- ")
  expect(await refusal(environment(one.path))).toEqual(refused("LATCHKEY_SHADOW"))
  await isElsewhere("aws lock- ", "in the log's store")

  await (await startServer(environment(other.path, { ...otherKey, LATCHKEY_RESTORED: "yes" }))).kill()
  expect(await refusal(environment(one.path))).toEqual(refused("LATCHKEY_PIN_KEY"))
  await using third = await startServer(environment(other.path, otherKey))
  expect(third.url).toMatch(/^http/)
})

it("a server that meets devices at another broker is refused", { timeout: 180_000 }, async () => {
  await using broker = await startMosquitto()
  using folder = temporaryFolder()
  await using schema = newSchema()
  const environment = { ...configured(folder.path), ...schema.environment, LATCHKEY_MQTT_URL: broker.url }
  await using first = await startServer({ ...environment, LATCHKEY_MQTT_PORT: "" })
  expect(first.url).toMatch(/^http/)
  await using other = await startMosquitto()
  const { code, output } = await runToEnd({ ...environment, LATCHKEY_MQTT_PORT: "", LATCHKEY_MQTT_URL: other.url })
  expect([code, output]).toEqual([1, expect.stringContaining("latchkey: LATCHKEY_MQTT_URL: the servers on this log")])
})

it("a server that takes no proof that a device is somebody's is refused once another asks for it", {
  timeout: 180_000
}, async () => {
  using folder = temporaryFolder()
  await using schema = newSchema()
  const open = { ...configured(folder.path), ...schema.environment }
  const secret = { ...open, LATCHKEY_DEVICE_AUTH: "secret" }
  await using first = await startServer(open)
  await using stricter = await startServer(secret)
  const { code, output } = await runToEnd(open)
  expect([code, output]).toEqual([
    1,
    expect.stringContaining("latchkey: LATCHKEY_DEVICE_AUTH: the servers on this log")
  ])
  await Promise.all([first.kill(), stricter.kill()])
  await (await startServer({ ...open, LATCHKEY_RESTORED: "yes" })).kill()
  await using again = await startServer(open)
  expect(again.url).toMatch(/^http/)
})
