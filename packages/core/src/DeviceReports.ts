/** What devices say, taken in: presence into the read model, outcomes into the log's agreement with the shadow. */
import { Effect, Layer, Stream } from "effect"
import { backoff } from "./Backoff.ts"
import { type DeviceReport, DeviceShadow, type ShadowUnavailable } from "./ports/DeviceShadow.ts"
import { EventStore, type StoreUnavailable } from "./ports/EventStore.ts"
import { ReadModel, type ReadModelUnavailable } from "./ports/ReadModel.ts"

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
      Stream.runForEach((report) =>
        take(report).pipe(
          Effect.catch((error) =>
            Effect.logWarning("A device report was not taken in; it will come again", error.message)
          )
        )
      ),
      Effect.tapError((error) => Effect.logWarning("Device reports are interrupted; listening again", error.message)),
      Effect.retry(backoff),
      Effect.forkScoped
    )
  })
)
