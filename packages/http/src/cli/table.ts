/** Rows for people: columns as wide as their widest cell. */
import { CliOutput } from "effect/cli"

export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) =>
    Math.max(...all.map((cells) => CliOutput.displayWidth(cells[column] ?? "")))
  )
  const pad = (cell: string, column: number) => cell + " ".repeat((widths[column] ?? 0) - CliOutput.displayWidth(cell))
  return all.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n")
}
