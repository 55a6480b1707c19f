/** What devices say, taken in: presence into the read model, outcomes into the log's agreement with the shadow. */
import { Effect, Layer, Stream } from "effect"
import { backoff } from "./Backoff.ts"
import { type DeviceReport, DeviceShadow, type ShadowUnavailable } from "./ports/DeviceShadow.ts"
import { EventStore, type StoreUnavailable } from "./ports/EventStore.ts"
import { ReadModel, type ReadModelUnavailable } from "./ports/ReadModel.ts"

/** How often a report is tried again while store, shadow or read model are down: for about half a minute. */
const TRIES = 11

/** Listens for as long as the layer lives. */
export const deviceReports = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* EventStore
    const shadow = yield* DeviceShadow
    const readModel = yield* ReadModel

    const take = (
      report: DeviceReport
    ): Effect.Effect<void, ReadModelUnavailable | ShadowUnavailable | StoreUnavailable> => {
      switch (report._tag) {
        case "Presence":
          return readModel.reportDevice(report.thing, report.online, report.at)
        case "CommandOutcome":
          // An acknowledged command is in the log before anything is cleared from the shadow.
          return store.commit(report.commandId).pipe(Effect.andThen(shadow.settle(report.thing, report.commandId)))
      }
    }

    yield* shadow.reports.pipe(
      // Reports do not wait for each other: outcomes are idempotent, and presence goes by its time.
      Stream.mapEffect(
        (report) =>
          take(report).pipe(
            Effect.retry({ schedule: backoff, times: TRIES }),
            Effect.catch((error) =>
              Effect.logWarning(
                "A device report was not taken in; outcomes come again at the next start",
                error.message
              )
            )
          ),
        { concurrency: 16 }
      ),
      Stream.runDrain,
      Effect.tapError((error) => Effect.logWarning("Device reports are interrupted; listening again", error.message)),
      Effect.retry(backoff),
      Effect.forkScoped
    )
  })
)
