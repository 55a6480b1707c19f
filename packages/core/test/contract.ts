/** The published contract, as validators. */
import { Ajv, type ValidateFunction } from "ajv"
import additions from "../../http/contract/additions.json" with { type: "json" }
import commands from "../../http/contract/commands.schema.json" with { type: "json" }
import events from "../../http/contract/events.schema.json" with { type: "json" }

/** Formats say what the patterns beside them decide. */
const ajv = new Ajv({ strict: true, validateFormats: false, allErrors: true })

/** What is wrong with the data of an event of this type; nothing, if it is as published. */
export const flawsOfEvent = (type: string, data: unknown): ReadonlyArray<unknown> => {
  const validate = named(compiledEvents, type)
  return validate(data) ? [] : [...(validate.errors ?? [])]
}

/** Whether the contract lets this body of a command pass; it says nothing of OpenWithTempKey, which guests' pages ask. */
export const acceptsBody = (tag: string, body: unknown): boolean => named(compiledCommands, tag)(body)

/** Commands are published by the last part of their path: `create-temp-key`. */
const tagOf = (path: string): string => path.replaceAll(/(^|-)([a-z])/g, (_, __, letter) => letter.toUpperCase())

const compile = (schemas: object, nameOf = (name: string) => name): ReadonlyMap<string, ValidateFunction> =>
  new Map(Object.entries(schemas).map(([name, schema]) => [nameOf(name), ajv.compile(schema)]))

const compiledEvents = compile({ ...events, ...additions.events })
const compiledCommands = compile(commands, tagOf)

const named = (compiled: ReadonlyMap<string, ValidateFunction>, name: string): ValidateFunction => {
  const validate = compiled.get(name)
  if (validate === undefined) throw new Error(`The contract has no ${name}`)
  return validate
}
