/** How a wrong command line is told: a sentence for each thing that is wrong, which names it and says what is right. */
import { Console, Effect } from "effect"
import { type CliError, CliOutput, type HelpDoc } from "effect/cli"
import { visible } from "./visible.ts"

/** Help and versions go to stdout as ever; what is wrong goes to stderr, and nothing else does. */
export const sentences = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(refusals(event.commandPath, event.helpDoc, event.errors), (line) => Console.error(line), {
          discard: true
        })
      : CliOutput.defaultPresenter.present(event)
})

/** A line each, and one that says where to read on. */
const refusals = (
  path: ReadonlyArray<string>,
  help: HelpDoc.HelpDoc,
  errors: ReadonlyArray<CliError.NonShowHelpErrors>
): ReadonlyArray<string> => {
  const command = path.join(" ")
  return [
    ...new Set(errors.map((error) => visible(`latchkey: ${sentence(command, help, error)}`))),
    `See: ${command} --help`
  ]
}

const sentence = (command: string, help: HelpDoc.HelpDoc, error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `${error.option}: "${command}" has no such option.${meant(error.suggestions)}`
    case "MissingOption":
      return `--${error.option} is missing.${about(help.flags, error.option)}`
    case "MissingArgument":
      return `<${error.argument}> is missing.${about(help.args, error.argument)}`
    case "UnexpectedArgument":
      return `${error.arguments.map((one) => `"${one}"`).join(", ")}: "${command}" takes no such argument.`
    case "InvalidValue": {
      const name = error.kind === "flag" ? `--${error.option}` : `<${error.option}>`
      if (error.value === "")
        return `${name} needs a value.${about([...help.flags, ...(help.args ?? [])], error.option)}`
      // What is told as the value is none where an option was given twice.
      const [, times] = /^(\d+) occurrences$/.exec(error.value) ?? []
      return times !== undefined && error.expected === "at most 1 value"
        ? `${name} is given ${times} times: give it once.`
        : `${name}: expected ${expectation(error.expected)}, not "${error.value}".`
    }
    case "UnknownSubcommand": {
      const commands = help.subcommands?.flatMap((group) => group.commands.map(({ name }) => name)) ?? []
      const hint = meant(error.suggestions)
      return `"${error.subcommand}": "${command}" has no such command.${hint === "" ? ` Its commands are ${new Intl.ListFormat("en").format(commands)}.` : hint}`
    }
    default:
      return error.message
  }
}

/** Nearest names, where there are any. */
const meant = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "" : ` Did you mean ${names.join(" or ")}?`

interface Described {
  readonly name: string
  readonly description: HelpDoc.FlagDoc["description"]
}

/** What it is for, as the help says. */
const about = (all: ReadonlyArray<Described> | undefined, name: string): string => {
  const text = all?.find((one) => one.name === name)?.description
  return text?._tag === "Some" ? ` ${text.value}.` : ""
}

/** What was expected, without the library's own words around it. */
const expectation = (text: string): string => {
  const told = text
    .replace(/^Schema validation failed: /, "")
    .replace(/^Expected:? /i, "")
    .replace(/, (?:got|actual) [\s\S]*$/, "")
  if (told === "a string representing a finite number" || told === "an integer") return "a whole number"
  const choices = told.split(" | ").map((choice) => /^"([^"]*)"$/.exec(choice)?.[1])
  if (choices.includes(undefined)) return told
  return choices.includes("true")
    ? "true or false"
    : new Intl.ListFormat("en", { type: "disjunction" }).format(choices.flatMap((choice) => choice ?? []))
}
