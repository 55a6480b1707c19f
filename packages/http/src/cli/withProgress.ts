/** A progress bar on stderr while something runs; none when stderr is no terminal. */
import { Effect } from "effect"

/** `advance` moves the bar on, towards `total`. */
export const withProgress = <A, E, R>(
  label: string,
  total: number,
  use: (advance: (by: number) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const { default: cliProgress } = await import("cli-progress")
      const format = `${label} [{bar}] {percentage}% | {eta_formatted} left`
      const bar = new cliProgress.SingleBar({ format, clearOnComplete: true, gracefulExit: false })
      bar.start(total, 0)
      return bar
    }),
    (bar) => use((by) => bar.increment(by)),
    (bar) => Effect.sync(() => bar.stop())
  )
