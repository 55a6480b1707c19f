/** A progress bar on stderr while something runs; none when stderr is no terminal, or nobody knows how much there is. */
import { Effect } from "effect"

/** `advance` moves the bar on, towards `total`; 0 when that is not known. */
export const withProgress = <A, E, R>(
  label: string,
  total: number,
  use: (advance: (by: number) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  total === 0 || !process.stderr.isTTY
    ? use(() => undefined)
    : Effect.acquireUseRelease(
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
