/**
 * Requests that leave nothing of what they say aside: a restriction that is misspelt, and dropped, would let in more than
 * was meant. How a schema is read that way, and what a refusal says.
 */
import { type Exit, Predicate, Schema, type SchemaAST, SchemaIssue } from "effect"
import { closest } from "./closest.ts"

/**
 * Decodes a request. A member that its schema does not know is refused, however deep it is; an open request leaves those
 * of its top level aside.
 *
 * @example
 * ```ts
 * const decode = closedDecoder(Schema.Struct({ maxUses: Schema.Int }))
 * Exit.isFailure(decode({ maxUses: 1, max_uses: 1 })) // true
 * ```
 */
export const closedDecoder = <A, I>(schema: Schema.Codec<A, I>, isOpen = false) => {
  const decode = Schema.decodeUnknownExit(schema, { onExcessProperty: "error" })
  if (!isOpen) return decode
  const names = namesOf(schema.ast)
  return (input: unknown, options?: SchemaAST.ParseOptions): Exit.Exit<A, Schema.SchemaError> =>
    decode(withOnly(names, input), options)
}

const namesOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const withOnly = (names: ReadonlyArray<string>, input: unknown): unknown => {
  if (!Predicate.isObject(input)) return input
  const only: { [name: string]: unknown } = {}
  for (const name of names) if (name in input) only[name] = input[name]
  return only
}

/** What is wrong with a request, and where. */
export interface RequestIssue {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** Everything that an error of a schema found wrong. */
export const issuesOf = ({ issue }: Schema.SchemaError): ReadonlyArray<RequestIssue> =>
  format(issue).issues.map(({ path = [], message }) => {
    const steps = path.map((step) => (typeof step === "object" ? step.key : step))
    const [isUnknown, ...known] = message.split(SEPARATOR)
    return { path: steps, message: isUnknown === UNKNOWN ? unknownMember(String(steps.at(-1)), known) : message }
  })

const unknownMember = (name: string, known: ReadonlyArray<string>): string => {
  const meant = closest(name, known)
  return meant === undefined ? "Not known here; leave it out" : `Not known here. Did you mean ${meant}?`
}

/** In no name of a schema, nor in a message. */
const SEPARATOR = "\0"
const UNKNOWN = "unknown"

/** Only where it is in the request does an issue say which member is unknown: what it may be called is handed on. */
const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "Required"
    return issue._tag === "UnexpectedKey"
      ? [UNKNOWN, ...namesOf(issue.ast)].join(SEPARATOR)
      : SchemaIssue.defaultLeafHook(issue)
  }
})
