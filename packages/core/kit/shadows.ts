/** Broken device shadows. */
import { MemoryDeviceShadow } from "@latchkey/core/memory"
import { deviceShadowSuite } from "@latchkey/core/testing"
import { Effect, Layer } from "effect"
import { copyIn } from "./memory.ts"

type Shadows = Pick<typeof MemoryDeviceShadow, "layer" | "ShadowControl">

/** Registers the suite for the shadow in memory, or for a copy of it. */
export const shadowSuite = ({ layer, ShadowControl }: Shadows): void =>
  deviceShadowSuite("memory", layer, {
    acknowledge: (thing, commandId, outcome) =>
      ShadowControl.use((control) =>
        control.report({ _tag: "CommandOutcome", thing, commandId, outcome, at: 1_700_000_000_000 })
      ),
    sayOpenings: (thing, openings) =>
      ShadowControl.use((control) => control.report({ _tag: "Openings", thing, ...openings }))
  })

const source = (name: string, find: string, replace: string) => {
  const { ShadowControl } = MemoryDeviceShadow
  const layer = Layer.unwrap(Effect.map(copyIn("MemoryDeviceShadow", find, replace), (copy) => copy.layer))
  return { port: "device shadow", name, isRight: false, suite: () => shadowSuite({ layer, ShadowControl }) }
}

export const brokenShadows = [
  source("a command is taken and forgotten", "shadows.set(thing, { desired: next, reported })\n", ""),
  source(
    "a new command takes the place of the others",
    "const next = new Map(desired)",
    "const next = new Map<string, CommandDocument>()"
  ),
  source("things share a shadow", "shadows.get(thing) ??", "shadows.get([...shadows.keys()][0] ?? thing) ??"),
  source(
    "expired commands stay",
    "if (document === null) next.delete(commandId)",
    "if (document === null) next.has(commandId)"
  ),
  source("a shadow holds without a limit", "if (!hasRoom(command, documentOf(next, reported))) {", "if (false) {"),
  source(
    "outcomes take no room",
    "hasRoom(command, documentOf(next, reported))",
    "hasRoom(command, documentOf(next, new Map()))"
  ),
  source(
    "guests may fill the shadow",
    "hasRoom(command, documentOf(next, reported))",
    `hasRoom({ ...command, _tag: "RemoveKey" } as DeviceCommand, documentOf(next, reported))`
  ),
  source(
    "a refused command is written all the same",
    "if (!hasRoom(command, documentOf(next, reported))) {",
    "if (!hasRoom(command, documentOf(next, reported))) {\n      shadows.set(thing, { desired: next, reported })"
  ),
  source(
    "a refusal names no thing",
    "new ShadowRejected({ thing, message })",
    `new ShadowRejected({ thing: "", message })`
  ),
  source("what comes too late is written", "if ((yield* Clock.currentTimeMillis) > notAfter) {", "if (false) {"),
  source(
    "what comes too late is dropped without a word",
    "if ((yield* Clock.currentTimeMillis) > notAfter) {",
    "if ((yield* Clock.currentTimeMillis) > notAfter) {\n      return"
  ),
  source("everything comes too late", "> notAfter) {", "> 0) {"),
  source(
    "attempts are not told apart by find",
    "attemptIn(desired, commandId) === attempt ||",
    "desired.has(commandId) ||"
  ),
  source(
    "attempts are not told apart by settle",
    `if (typeof attempt !== "number" || attemptIn(desired, commandId) === attempt)`,
    ""
  ),
  source(
    "a settlement without an attempt settles the first one alone",
    `typeof attempt !== "number" || attemptIn`,
    `attempt === "any" || attemptIn`
  ),
  source(
    "a settlement of any attempt settles none",
    `typeof attempt !== "number" || attemptIn`,
    "attempt === undefined || attemptIn"
  ),
  source(
    "a settlement of any attempt takes the outcome too",
    "if (attempt === undefined) reported",
    `if (typeof attempt !== "number") reported`
  ),
  source("find does not know acknowledged commands", " || reported.has(commandId)", ""),
  source("find always finds", "return false\n", "return true\n"),
  source("find never finds", "return true\n", "return false\n"),
  source("a settlement settles all commands", "desired.delete(commandId)", "desired.clear()"),
  source("a settlement keeps the command", "desired.delete(commandId)", "{}"),
  source("a settlement keeps the outcome", "if (attempt === undefined) reported.delete(commandId)", ""),
  source("a settlement drops all outcomes", "reported.delete(commandId)", "reported.clear()"),
  source(
    "reports do not begin with what is held",
    "Array.from(shadows.values()).flatMap(({ reported }) => [...reported.values()])",
    "[]"
  ),
  source("reports are what is held, and nothing later", "Stream.fromSubscription(subscription)", "Stream.never"),
  source("openings are not kept", "opened.set(report.thing, report)", "{}"),
  source("openings are not cleared", "opened.delete(thing)", "{}"),
  source("openings are cleared that came meanwhile", "held.list.every(({ n }) => n <= last)", "true"),
  source("openings of another series are cleared", "held?.series === series &&", "held !== undefined &&"),
  source("what devices say is not kept", "shadow.reported.set(report.commandId, report)", ""),
  source("what devices say is not passed on", "Effect.asVoid(PubSub.publish(said, report))", "Effect.void")
]
