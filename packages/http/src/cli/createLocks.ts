/** Locks for simulated devices, made through the API as an organization makes them. */
import { Effect, Schema } from "effect"
import { print } from "./output.ts"

/** A lock could not be made; `message` says why. */
export class LockNotMade extends Schema.TaggedError<LockNotMade>()("LockNotMade", { reason: Schema.String }) {
  override get message() {
    return `--create: ${this.reason}`
  }
}

/** The API, and the key with which locks are made. */
interface Api {
  readonly url: string
  readonly key: string
}

/** Makes a lock for each thing that has none, under the first numbers that are free, and says which is which. */
export const createLocks = Effect.fnUntraced(function* (api: Api, things: ReadonlyArray<string>) {
  let number = 1
  for (const thing of things) {
    while (!(yield* isLockOf(api, thing, number))) number++
    number++
  }
})

/** Whether the thing has a lock now: this one, or another that it has already. */
const isLockOf = Effect.fnUntraced(function* (api: Api, thing: string, number: number) {
  const { status, body } = yield* ask(api, `/locks/${number}/CreateLock`, { index: number, uuid: thing })
  const isThere = status === 201 || status === 200
  // To create a lock that is there already is a success, too, whichever device it has.
  if (isThere && (yield* ask(api, `/locks/${number}/details`)).body["uuid"] === thing) {
    yield* print({ type: "lock", thing, lockId: number }, `${thing} is lock ${number}`)
    return true
  }
  if (status === 409 && body["error"] === "Device in use") {
    yield* print({ type: "lock", thing, lockId: null }, `${thing} has a lock already`)
    return true
  }
  // The number is taken: by a lock of theirs, or by somebody else's.
  if (isThere || status === 409 || (status === 403 && number < MOST_TRIED)) return false
  return yield* new LockNotMade({ reason: `${api.url} answered ${status}: ${body["message"]}` })
})

/** Milliseconds that the API may take to answer. */
const PATIENCE = 30_000

/** Locks of others that are passed over: a key that may make none is refused everywhere. */
const MOST_TRIED = 1_000

const ask = (api: Api, path: string, body?: object) =>
  Effect.tryPromise({
    try: async (interrupted) => {
      const answer = await fetch(new URL(path, api.url), {
        signal: AbortSignal.any([interrupted, AbortSignal.timeout(PATIENCE)]),
        headers: { "x-api-key": api.key, "content-type": "application/json" },
        ...(body !== undefined && { method: "POST", body: JSON.stringify(body) })
      })
      const told: Readonly<Record<string, unknown>> = Object(await answer.json())
      return { status: answer.status, body: told }
    },
    catch: (error) => {
      const reason = error instanceof TypeError && error.cause instanceof Error ? error.cause : error
      return new LockNotMade({
        reason: `${api.url} does not answer as Latchkey does (${reason instanceof Error ? reason.message : reason}): is the server running?`
      })
    }
  })
