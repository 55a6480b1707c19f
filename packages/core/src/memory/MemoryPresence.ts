/** What was heard of devices, in this process's memory. */
import { Effect, Layer } from "effect"
import { type Heard, heard, Presence } from "../device/Presence.ts"

const make = (): Presence["Service"] => {
  const known = new Map<string, Heard>()
  return {
    report: (report) => Effect.sync(() => void known.set(report.thing, heard(known.get(report.thing), report))),
    of: (things) =>
      Effect.sync(() => {
        const found = new Map<string, Heard>()
        for (const thing of things) {
          const one = known.get(thing)
          if (one !== undefined) found.set(thing, one)
        }
        return found
      })
  }
}

/** Every build of the layer has heard of nothing. */
export const layer: Layer.Layer<Presence> = Layer.sync(Presence, make)
