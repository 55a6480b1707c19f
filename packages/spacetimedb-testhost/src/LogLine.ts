/** What modules write, and what went wrong in them. */

export interface LogLine {
  readonly database: string
  readonly level: "error" | "warn" | "info" | "debug" | "trace" | "panic"
  readonly message: string
}

/** The runtime's numbers for levels. */
export const LEVELS: Readonly<Record<number, LogLine["level"]>> = {
  0: "error",
  1: "warn",
  2: "info",
  3: "debug",
  4: "trace",
  101: "panic"
}
