#!/usr/bin/env node
/** The `latchkey` command. The only file that knows which adapters there are. */
import "effect/schema/SchemaJITCompiler/enable"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { MemoryEventStore, MemoryReadModel } from "@latchkey/core/memory"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { ServerConfig, StoreConfig } from "./Config.ts"
import { serve } from "./cli/serve.ts"

const storeAdapters = ({ store, data }: StoreConfig) =>
  store === "memory" ? Layer.merge(MemoryEventStore.layer, MemoryReadModel.layer) : Sqlite.layer({ folder: data })

const adapters = (config: ServerConfig) =>
  Layer.merge(
    storeAdapters(config),
    LocalShadow.layer({ folder: config.store === "memory" ? ":memory:" : config.data })
  )

const latchkey = Command.make("latchkey").pipe(
  Command.withDescription("Smart locks, event-sourced"),
  Command.withSubcommands([serve(adapters)])
)

latchkey.pipe(Command.run({ version: "0.1.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
