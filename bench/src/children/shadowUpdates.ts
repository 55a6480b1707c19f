/** Updates of shadows inside another program: callers that each make one after the other, every one durable. */
import { LocalShadow } from "@latchkey/local-shadow"
import { Effect } from "effect"
import { type Calling, callAtOnce } from "../callers.ts"
import type { Sample } from "../statistics.ts"
import { answerJobs } from "./answerJobs.ts"

export interface Updating extends Calling {
  readonly folder: string
  readonly things: number
}

const update = Effect.fnUntraced(function* ({ things, ...calling }: Updating) {
  const shadows = yield* LocalShadow
  return yield* callAtOnce(calling, (n) =>
    shadows.update(`thing-${n % things}`, { state: { reported: { battery: n % 100, n } } })
  )
})

answerJobs(
  (job: Updating): Promise<Sample> =>
    Effect.runPromise(update(job).pipe(Effect.provide(LocalShadow.layer({ folder: job.folder }))))
)
