#!/usr/bin/env node
/**
 * The server on its real adapters, but slower or stuck at a step of the two-step append, so that a test can kill it
 * there. `HOLD_AT` names the step: the server says that it has reached it, and goes no further. `SLOW_SEND` makes every
 * device command take so many milliseconds.
 */
import { DeviceShadow, EventStore } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { ServerConfig } from "../../src/Config.ts"
import { run } from "../../src/cli/run.ts"
import { serve } from "../../src/cli/serve.ts"

const { HOLD_AT, SLOW_SEND = "0" } = process.env

const holdAt = (step: string): Effect.Effect<void> =>
  step === HOLD_AT ? Effect.andThen(Console.log(`Reached ${step}`), Effect.never) : Effect.void

const heldStore = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store): EventStore["Service"] => ({
    ...store,
    prepare: (...args) =>
      holdAt("before prepare").pipe(Effect.andThen(store.prepare(...args)), Effect.tap(holdAt("prepared"))),
    commit: (...args) => store.commit(...args).pipe(Effect.tap(holdAt("committed")))
  }))
)

const heldShadow = Layer.effect(
  DeviceShadow,
  Effect.map(DeviceShadow, (shadow): DeviceShadow["Service"] => ({
    ...shadow,
    send: (...args) =>
      Effect.sleep(Number(SLOW_SEND)).pipe(Effect.andThen(shadow.send(...args)), Effect.tap(holdAt("sent")))
  }))
)

const adapters = ({ data }: ServerConfig) =>
  Layer.mergeAll(
    Layer.provideMerge(heldStore, Sqlite.layer({ folder: data })),
    heldShadow.pipe(Layer.provide(LocalShadow.layer({ folder: data })))
  )

run(Command.make("latchkey").pipe(Command.withSubcommands([serve(adapters)])))
