/** The code blocks of a Markdown text, and the commands in those that are typed into a shell. */
import { spawnSync } from "node:child_process"

export interface Block {
  /** Where the opening fence is, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** Nothing but blank lines lies between it and the block before. */
  readonly adjacent: boolean
}

export interface Command {
  readonly command: string
  /** What it prints; `undefined` when the text does not say. */
  readonly output: string | undefined
}

export const blocksOf = (markdown: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let open:
    | { readonly fence: string; readonly line: number; readonly language: string; readonly adjacent: boolean }
    | undefined
  let text: Array<string> = []
  let adjacent = false
  for (const [index, line] of markdown.split("\n").entries()) {
    const [, fence, language = ""] = /^\s*(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? []
    if (open === undefined && fence !== undefined) {
      open = { fence, line: index + 1, language, adjacent }
      text = []
    } else if (open === undefined) {
      adjacent &&= line.trim() === ""
    } else if (fence?.startsWith(open.fence) && language === "") {
      blocks.push({ line: open.line, language: open.language, text: text.join("\n"), adjacent: open.adjacent })
      open = undefined
      adjacent = true
    } else {
      text.push(line)
    }
  }
  if (open !== undefined) throw new Error(`The code block of line ${open.line} does not end`)
  return blocks
}

/** `sh`: commands alone. `console`: each command after `$ `, followed by what it prints. */
export const commandsOf = ({ language, line, text }: Block): ReadonlyArray<Command> => {
  const commands: Array<{ command: string; output: string }> = []
  const prompt = language === "console" ? "$ " : ""
  for (const row of text.split("\n")) {
    const last = commands.at(-1)
    if (last !== undefined && !isWhole(last.command)) last.command += `\n${row}`
    else if (row.startsWith(prompt)) commands.push({ command: row.slice(prompt.length), output: "" })
    else if (last !== undefined) last.output += `${row}\n`
    else throw new Error(`The console block of line ${line} begins with output; commands begin with "$ "`)
  }
  return commands.map(({ command, output }) => ({ command, output: prompt === "" ? undefined : output }))
}

/** False while a quote or a loop is open, or the line ends in a backslash. */
const isWhole = (command: string): boolean =>
  !command.endsWith("\\") && spawnSync("bash", ["-nc", command]).status === 0
