/** What servers over one log must have in common is looked at when they start. */
import { expect, it } from "vitest"
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
