#!/usr/bin/env node
/**
 * The server on its real adapters, with devices of which it never learns whether they were told: what it prepares for
 * them stays unsettled. The name of a thing, or of a key, says what becomes of a command: `5e1f…` reaches the shadow and
 * no answer comes, `dead…` does not even reach it, and `f001…` is turned away.
 */
import { DeviceShadow, ShadowRejected } from "@latchkey/core"
import { LocalShadow } from "@latchkey/local-shadow"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { ServerConfig } from "../../src/cli/Config.ts"
import { run } from "../../src/cli/run.ts"
import { serve } from "../../src/cli/serve.ts"

const silentShadow = Layer.effect(
  DeviceShadow,
  Effect.map(DeviceShadow, (shadow): DeviceShadow["Service"] => {
    const unanswered = new Set<string>()
    return {
      ...shadow,
      send: (thing, command, notAfter) => {
        const is = (kind: string) =>
          thing.startsWith(kind) || ("keyUuid" in command && command.keyUuid.startsWith(kind))
        if (is("f001")) return Effect.fail(new ShadowRejected({ thing, message: "the backlog is full" }))
        if (!is("5e1f") && !is("dead")) return shadow.send(thing, command, notAfter)
        unanswered.add(command.commandId)
        return is("dead") ? Effect.never : Effect.andThen(shadow.send(thing, command, notAfter), Effect.never)
      },
      find: (thing, commandId, attempt) =>
        unanswered.has(commandId) ? Effect.never : shadow.find(thing, commandId, attempt)
    }
  })
)

const adapters = ({ data }: ServerConfig) =>
  Layer.merge(Sqlite.layer({ folder: data }), silentShadow.pipe(Layer.provide(LocalShadow.layer({ folder: data }))))

run(Command.make("latchkey").pipe(Command.withSubcommands([serve(adapters)])))
