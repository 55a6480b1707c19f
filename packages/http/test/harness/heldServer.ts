#!/usr/bin/env node
/**
 * The server on its real adapters, but stuck at a step of the two-step append, so that a test can kill it there.
 * `HOLD_AT` names the step: the server says that it has reached it, and goes no further. `HOLD_SEND` says which device
 * command, counted from 1, waits to be sent until the server is told by SIGUSR2.
 */
import { once } from "node:events"
import { DeviceShadow, EventStore } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { ServerConfig } from "../../src/cli/Config.ts"
import { run } from "../../src/cli/run.ts"
import { serve } from "../../src/cli/serve.ts"

const { HOLD_AT, HOLD_SEND } = process.env

let sends = 0
const released = HOLD_SEND === undefined ? undefined : once(process, "SIGUSR2")
const unlessHeld = Effect.suspend(() =>
  ++sends === Number(HOLD_SEND)
    ? Effect.andThen(
        Console.log("Reached send"),
        Effect.promise(async () => void (await released))
      )
    : Effect.void
)

const holdAt = (step: string): Effect.Effect<void> =>
  step === HOLD_AT ? Effect.andThen(Console.log(`Reached ${step}`), Effect.never) : Effect.void

const heldStore = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store): EventStore["Service"] => ({
    ...store,
    write: (batch) => {
      const reserves = batch.put?.some(({ key }) => key.startsWith("reservation/")) ?? false
      const commits = batch.append !== undefined && (batch.remove?.length ?? 0) > 0
      const write = store.write(batch)
      if (reserves) return holdAt("before prepare").pipe(Effect.andThen(write), Effect.tap(holdAt("prepared")))
      return commits ? Effect.tap(write, holdAt("committed")) : write
    }
  }))
)

const heldShadow = Layer.effect(
  DeviceShadow,
  Effect.map(DeviceShadow, (shadow): DeviceShadow["Service"] => ({
    ...shadow,
    send: (...args) => unlessHeld.pipe(Effect.andThen(shadow.send(...args)), Effect.tap(holdAt("sent")))
  }))
)

const adapters = ({ data }: ServerConfig) =>
  Layer.mergeAll(
    Layer.provideMerge(heldStore, Sqlite.layer({ folder: data })),
    heldShadow.pipe(Layer.provide(LocalShadow.layer({ folder: data })))
  )

run(Command.make("latchkey").pipe(Command.withSubcommands([serve(adapters)])))
