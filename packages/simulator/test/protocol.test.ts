/** docs/device-protocol: its vectors hold for the reference implementation, and its schema for both sides. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { DeviceCommand, toDocument } from "@latchkey/core"
import { LockProtocol } from "@latchkey/simulator"
import { Ajv2020 } from "ajv/dist/2020.js"

const readJson = (file: string) => JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"))
const read = (file: string) => readJson(`../../../docs/device-protocol/${file}`)

interface Said {
  readonly topic: "get" | "update"
  readonly message: unknown
}

/** One of `connects`, `disconnects`, `powerCut`, `hears`, `ran`, `saw`, `held` and `opened`, or none: time has passed. */
interface VectorStep {
  readonly at: number
  readonly connects?: true
  readonly disconnects?: true
  readonly powerCut?: true
  readonly hears?: { readonly topic: string; readonly message: unknown }
  readonly ran?: {
    readonly commandId: string
    readonly outcome: "done" | "failed"
    readonly detail?: string
    readonly began?: boolean
  }
  readonly saw?: Omit<Extract<LockProtocol.Happening, { readonly _tag: "Saw" }>, "_tag" | "now">["state"]
  readonly held?: Extract<LockProtocol.Happening, { readonly _tag: "Held" }>["keys"]
  readonly opened?: Omit<Extract<LockProtocol.Happening, { readonly _tag: "Opened" }>, "_tag" | "now">
  readonly runs?: ReadonlyArray<string>
  readonly says?: ReadonlyArray<Said>
}

type Vectors = ReadonlyArray<{ readonly name: string; readonly steps: ReadonlyArray<VectorStep> }>
const vectors: Vectors = read("vectors.json")
/** As firmware was written to them. */
const firstVectors: Vectors = readJson("first-edition/vectors.json")
const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false }).addSchema(
  read("schema.json"),
  "protocol"
)
const validate = (what: string, json: unknown) => {
  const valid = ajv.validate(`protocol#/$defs/${what}`, json)
  expect(valid, `${JSON.stringify(json)}: ${ajv.errorsText()}`).toBe(true)
}

/** `#1` in a vector is the token of the first message that the lock says, and so on. */
const withTokens = (json: unknown, tokens: ReadonlyArray<string>): unknown =>
  JSON.parse(
    JSON.stringify(json).replaceAll(/"#(\d+)"/g, (_, n) =>
      JSON.stringify(tokens[Number(n) - 1] ?? expect.fail(`no #${n}`))
    )
  )

const happeningOf = (
  { at: now, connects, disconnects, hears, ran, saw, held, opened }: VectorStep,
  tokens: ReadonlyArray<string>
): LockProtocol.Happening => {
  if (connects) return { _tag: "Connected", now }
  if (disconnects) return { _tag: "Disconnected", now }
  if (hears) return { _tag: "Heard", topic: hears.topic, message: withTokens(hears.message, tokens), now }
  if (ran) return { _tag: "Ran", ...ran, now }
  if (saw) return { _tag: "Saw", state: saw, now }
  if (held) return { _tag: "Held", keys: held, now }
  if (opened) return { _tag: "Opened", ...opened, now }
  return { _tag: "Ticked", now }
}

const tokenIn = (message: object): string => ("clientToken" in message ? String(message.clientToken) : "")

describe.each([
  ["the reference implementation", vectors],
  ["and what firmware of the first edition knows", firstVectors]
])("%s", (_, vectors) => {
  it.each(vectors)("$name", ({ steps }) => {
    const tokens: Array<string> = []
    let boots = 1
    let lock = LockProtocol.boot(LockProtocol.nothingRemembered, "boot-1")
    for (const step of steps) {
      if (step.powerCut) {
        lock = LockProtocol.boot(lock.memory, `boot-${++boots}`)
        continue
      }
      const { lock: after, deeds } = LockProtocol.step(lock, happeningOf(step, tokens))
      lock = after
      const said = deeds.flatMap((deed) => (deed._tag === "Say" ? [deed] : []))
      tokens.push(...said.map(({ message }) => tokenIn(message)))
      expect(deeds.flatMap((deed) => (deed._tag === "Run" ? [deed.command.commandId] : []))).toEqual(step.runs ?? [])
      expect(said.map(({ topic, message }) => ({ topic, message }))).toEqual(withTokens(step.says ?? [], tokens))
      for (const { topic, message } of said) validate(topic === "get" ? "question" : "report", message)
    }
    expect(new Set(tokens).size).toBe(tokens.length)
  })
})

describe("the schema", () => {
  it.prop("holds for every command that the backend sends", [DeviceCommand], ([command]) => {
    validate("command", JSON.parse(JSON.stringify(toDocument(command))))
  })

  it("refuses what a lock must not run", () => {
    const open = { type: "OpenLock", seq: 1, issuedAt: 0 }
    for (const json of [open, { ...open, type: "Dance", expiresAt: 1 }, { ...open, type: "AddKey" }, {}, 7]) {
      expect(ajv.validate("protocol#/$defs/command", json)).toBe(false)
    }
  })

  it("holds for what the vectors' locks hear, where it is no nonsense", () => {
    for (const { name, steps } of [...vectors, ...firstVectors]) {
      if (/understand|no documents/.test(name)) continue
      for (const { hears } of steps) {
        if (hears?.topic === "update/delta") validate("delta", hears.message)
        if (hears?.topic === "get/accepted") validate("shadow", hears.message)
      }
    }
  })
})
