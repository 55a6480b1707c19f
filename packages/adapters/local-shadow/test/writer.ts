/** A process that writes until it is killed. Says `thing version` for every update that was answered. */
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect } from "effect"

const THINGS = 16

const write = Effect.fnUntraced(function* (thing: string) {
  const shadows = yield* LocalShadow
  for (let n = 1; ; n++) {
    const { version } = yield* shadows.update(thing, { state: { desired: { n } }, version: n - 1 })
    process.stdout.write(`${thing} ${version}\n`)
  }
})

await Effect.runPromise(
  Effect.forEach(
    Array.from({ length: THINGS }, (_, index) => `thing-${index}`),
    write,
    {
      concurrency: "unbounded",
      discard: true
    }
  ).pipe(Effect.provide(LocalShadow.layer({ folder: process.argv[2] ?? ":memory:" })))
)
