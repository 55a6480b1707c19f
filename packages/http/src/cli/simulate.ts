/** `latchkey simulate`: locks that are not there, over MQTT, to try Latchkey without hardware. */
import type { Incident } from "@latchkey/simulator"
import { Console, Effect, Option, Schema, Stdio } from "effect"
import { Command, Flag } from "effect/cli"
import { asJson, print } from "./output.ts"
import { visible } from "./visible.ts"

/** Most locks of one process: each has a connection of its own. */
const MOST_LOCKS = 10_000
/** How often a terminal shows the fleet anew, in milliseconds. */
const SHOW_EVERY = 250

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MOST_LOCKS }))
const Thing = Schema.String.check(
  Schema.isPattern(/^[a-zA-Z0-9:_-]{1,128}$/, { expected: "1 to 128 of a-z, A-Z, 0-9, ':', '_' and '-'" })
)
const BrokerUrl = Schema.String.check(
  Schema.isPattern(/^mqtts?:\/\/[^\s/]+\/?$/, { expected: "mqtt://host:port, or mqtts://…" })
)

const ApiUrl = Schema.String.check(
  Schema.isPattern(/^https?:\/\/[^\s/]+\/?$/, { expected: "http://host:port, or https://…" })
)

/** Nobody says who makes the locks. */
class KeyMissing extends Schema.TaggedError<KeyMissing>()("KeyMissing", {}) {
  override get message() {
    return "--create and --key go together: 'latchkey keys create --org acme' makes an API key."
  }
}

/** One secret for several locks. */
class SecretOfOne extends Schema.TaggedError<SecretOfOne>()("SecretOfOne", {}) {
  override get message() {
    return "--secret is for exactly one --thing, without --locks: every device has a secret of its own."
  }
}

const flags = {
  locks: Flag.Int("locks").pipe(
    Flag.withSchema(Count),
    Flag.withDescription("How many locks; their names depend on the seed"),
    Flag.optional
  ),
  things: Flag.String("thing").pipe(
    Flag.withSchema(Thing),
    Flag.withDescription("The name of a lock's device, which is the lock's uuid; may be given more than once"),
    Flag.atLeast(0)
  ),
  url: Flag.String("url").pipe(
    Flag.withSchema(BrokerUrl),
    Flag.withDescription("Where devices connect"),
    Flag.withDefault("mqtt://127.0.0.1:8788")
  ),
  secret: Flag.String("secret").pipe(
    Flag.withDescription("The lock's secret, as 'latchkey devices create' showed it; for one --thing"),
    Flag.optional
  ),
  create: Flag.Boolean("create").pipe(
    Flag.withDescription("First make a lock for each that has none, through the API, with --key"),
    Flag.withDefault(false)
  ),
  key: Flag.String("key").pipe(Flag.withDescription("The API key that --create makes locks with"), Flag.optional),
  api: Flag.String("api").pipe(
    Flag.withSchema(ApiUrl),
    Flag.withDescription("Where --create finds the API"),
    Flag.withDefault("http://127.0.0.1:8787")
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Decides everything random: the same seed, the same run"),
    Flag.withDefault(1)
  ),
  faults: Flag.Literals("faults", ["none", "some", "many"]).pipe(
    Flag.withDescription("How much goes wrong: late, lost and repeated messages, connections, clocks, hardware"),
    Flag.withDefault("some")
  ),
  tellsPresence: Flag.Boolean("tell-presence").pipe(
    Flag.withDescription("Locks announce themselves to the broker; needed unless it is Latchkey's own"),
    Flag.withDefault(false)
  )
}

/** Runs until it is interrupted, which is how it ends well. On a terminal it shows the fleet, elsewhere a line for everything that a lock has done. */
export const simulate = Command.make(
  "simulate",
  flags,
  Effect.fnUntraced(
    function* ({ locks, things, url, secret, create, key, api, seed, faults, tellsPresence }) {
      // No other command needs it.
      const simulator = yield* Effect.promise(() => import("@latchkey/simulator"))
      if (Option.isSome(secret) && (things.length !== 1 || Option.isSome(locks))) {
        return yield* new SecretOfOne()
      }
      if (create !== Option.isSome(key)) return yield* new KeyMissing()
      const generated = Option.match(locks, {
        onNone: () => (things.length === 0 ? 1 : 0),
        onSome: (count) => count
      })
      const names = [...new Set([...things, ...simulator.thingsOf(seed, generated)])]
      if (Option.isSome(key)) {
        const { createLocks } = yield* Effect.promise(() => import("./createLocks.ts"))
        yield* createLocks({ url: api, key: key.value }, names)
      }
      const isWatched = (yield* Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal)) && !(yield* asJson)
      const run = Effect.runSyncWith(yield* Effect.context<never>())

      const reach = simulator.reachability(url)
      const fleet = yield* Effect.acquireRelease(
        Effect.sync(() =>
          simulator.simulateFleet({
            things: names,
            seed,
            faults: simulator.FAULTS[faults],
            time: simulator.realTime,
            wireOf: (thing) =>
              simulator.mqttWire({ url, thing, password: Option.getOrUndefined(secret), tellsPresence }),
            onIncident: (incident) => {
              const told = reach.hear(incident)
              if (isWatched) return
              if (told !== undefined) run(Console.error(visible(told)))
              const line = simulator.lineOf(incident)
              if (line !== undefined) run(print(dataOf(incident), visible(line)))
            }
          })
        ),
        (fleet) => Effect.sync(fleet.stop)
      )
      if (!isWatched) return yield* Effect.never
      while (true) {
        const { columns = 80, rows = 24 } = process.stdout
        // Home, the picture, and nothing below it.
        yield* Effect.sync(() =>
          process.stdout.write(
            `\x1b[H${cleared(simulator.fleetView(fleet.known(), { columns, rows }, reach.problem()))}\x1b[J`
          )
        )
        yield* Effect.sleep(SHOW_EVERY)
      }
    },
    Effect.scoped,
    Effect.onInterrupt(() => Effect.sync(() => (process.exitCode = 0)))
  )
).pipe(
  Command.withDescription(
    "Simulate locks, to try Latchkey without hardware: they connect over MQTT and obey commands until interrupted. While they cannot connect, they say why and keep trying"
  )
)

/** What a lock has done, for a program. */
const dataOf = (incident: Incident) => {
  if (incident._tag !== "Ended") return { type: incident._tag.toLowerCase(), thing: incident.thing }
  const { thing, type: command = null, commandId, outcome } = incident
  return { type: "command", thing, command, commandId, outcome: outcome.outcome, detail: outcome.detail ?? null }
}

/** Each line without what stood there before. */
const cleared = (text: string): string =>
  text
    .split("\n")
    .map((line) => `${visible(line)}\x1b[K\n`)
    .join("")
