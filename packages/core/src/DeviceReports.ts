/** What devices say, taken in: presence into the read model, outcomes into the log's agreement with the shadow. */
import { Effect, Layer, Stream } from "effect"
import { keepGoing } from "./Backoff.ts"
import { type DeviceReport, DeviceShadow, type ShadowUnavailable } from "./ports/DeviceShadow.ts"
import { EventStore, type StoreUnavailable } from "./ports/EventStore.ts"
import { ReadModel } from "./ports/ReadModel.ts"

/** Listens for as long as the layer lives. */
export const deviceReports = Layer.effectDiscard(
  Effect.gen(function* () {
    const store = yield* EventStore
    const shadow = yield* DeviceShadow
    const readModel = yield* ReadModel

    const take = (report: DeviceReport): Effect.Effect<void, ShadowUnavailable | StoreUnavailable> => {
      switch (report._tag) {
        case "Presence":
          return Effect.catch(readModel.reportDevice(report.thing, report.online, report.at), (error) =>
            Effect.logWarning("A device's presence was not noted; its next report will be", error.message)
          )
        case "CommandOutcome":
          // An acknowledged command is in the log before anything is cleared from the shadow.
          return store
            .commit(report.commandId, report.thing)
            .pipe(Effect.andThen(shadow.settle(report.thing, report.commandId)))
      }
    }

    yield* shadow.reports.pipe(
      // Reports do not wait for each other: outcomes are idempotent, and presence goes by its time.
      Stream.mapEffect(take, { concurrency: 16 }),
      Stream.runDrain,
      // Listening begins again with the outcomes that the shadow still holds, so none that failed here is lost.
      keepGoing("Device reports are not taken in"),
      Effect.forkScoped
    )
  })
)
