/** Rows for people: columns as wide as their widest cell, whatever is stored in them. */
import { CliOutput } from "effect/cli"
import { visible } from "./visible.ts"

export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [headings, ...rows].map((cells) => cells.map(visible))
  const widths = headings.map((_, column) =>
    Math.max(...all.map((cells) => CliOutput.displayWidth(cells[column] ?? "")))
  )
  const pad = (cell: string, column: number) => cell + " ".repeat((widths[column] ?? 0) - CliOutput.displayWidth(cell))
  return all.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n")
}
