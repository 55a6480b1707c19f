/** What a run prints: Markdown, so that it can go into the documentation as it is. */
import type { Bound, Figure, Outcome } from "./benchmark.ts"
import { median, type Sample, spread } from "./statistics.ts"

/** Whether the median of the rounds keeps the bound. */
export const holds = ({ values, required }: Bound): boolean =>
  "atLeast" in required ? median(values) >= required.atLeast : median(values) <= required.atMost

/** One benchmark; without `judge`, its bounds are shown but not judged. */
export const render = (title: string, { figures, bounds, notes }: Outcome, judge: boolean): string =>
  [
    `## ${title}`,
    table(["", "per second", "p50 ms", "p99 ms", "rounds", "noise", "fsync ms"], figures.map(figureRow)),
    ...(bounds.length === 0
      ? []
      : [
          table(
            ["bound", "measured", "of rounds", "required", ""],
            bounds.map((bound) => boundRow(bound, judge))
          )
        ]),
    ...notes
  ].join("\n\n")

const figureRow = ({ subject, samples, machine, syncs }: Figure) => {
  const of = (field: keyof Sample) => samples.map((sample) => sample[field])
  return [
    subject,
    number(median(of("perSecond"))),
    number(median(of("p50"))),
    number(median(of("p99"))),
    distance(of("perSecond")),
    distance(machine),
    number(median(syncs))
  ]
}

const boundRow = (bound: Bound, judge: boolean) => {
  const { what, values, unit, required } = bound
  const [word, limit] = "atLeast" in required ? [">=", required.atLeast] : ["<=", required.atMost]
  return [
    what,
    `${number(median(values))} ${unit}`.trim(),
    `${number(Math.min(...values))} to ${number(Math.max(...values))}`,
    `${word} ${number(limit)} ${unit}`.trim(),
    judge ? (holds(bound) ? "PASS" : "FAIL") : "-"
  ]
}

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`
  return [line(head), rule, ...rows.map(line)].join("\n")
}

const distance = (values: ReadonlyArray<number>): string =>
  values.length > 1 ? `±${Math.round(spread(values) * 100)} %` : "-"

/** Three digits that count. */
const number = (value: number): string =>
  Number.isNaN(value)
    ? "-"
    : value >= 100
      ? Math.round(value).toLocaleString("en")
      : String(Number(value.toPrecision(3)))
