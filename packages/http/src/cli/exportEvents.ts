/** The whole feed as lines of JSON, to stdout or into a file that is complete or not there. */
import { createHash, randomUUID } from "node:crypto"
import { EventStore } from "@latchkey/core"
import { Effect, FileSystem, type PlatformError, Schema, Stdio, Stream } from "effect"
import { encodeLine, encodeSeal } from "./Envelope.ts"
import { visible } from "./visible.ts"

/** Events in memory at a time: few, since each may be large. */
const PAGE = 200

/** The export cannot be written, or would not be whole; `message` says where and why. */
export class CannotWrite extends Schema.TaggedError<CannotWrite>()("CannotWrite", { message: Schema.String }) {}

/** The feed up to its present head, in pages of lines, and the line that tells that this was all. */
const feed = Effect.gen(function* () {
  const store = yield* EventStore
  const head = yield* store.head
  const digest = createHash("sha256")
  const ids = new Set<string>()
  const lines = Stream.unfold(
    0,
    Effect.fnUntraced(function* (position: number) {
      if (position > head) return undefined
      const events = yield* store.feed(position, Math.min(PAGE, head - position))
      const last = events.at(-1)
      if (last !== undefined) {
        const page = events.map((event) => `${encodeLine(event)}\n`).join("")
        digest.update(page)
        for (const { eventId } of events) ids.add(eventId)
        return [page, last.position] as const
      }
      if (position < head) {
        const message = `The log ends at event ${position}, and not at ${head}: it is damaged. Restore it from a backup.`
        return yield* new CannotWrite({ message })
      }
      return [
        `${encodeSeal({ events: head, doubles: head - ids.size, sha256: digest.digest("hex") })}\n`,
        head + 1
      ] as const
    })
  )
  return { head, lines }
})

/** Ends early, and well, when its reader has seen enough. */
export const exportToStdout = Effect.gen(function* () {
  const { lines } = yield* feed
  const stdio = yield* Stdio.Stdio
  const isTerminal = yield* stdio.stdoutIsTerminal
  // Files and pipes get every byte as it is.
  const shown = isTerminal ? Stream.map(lines, (page) => page.split("\n").map(visible).join("\n")) : lines
  yield* Stream.run(shown, stdio.stdout()).pipe(
    Effect.catchTag("PlatformError", (error) => (isClosedPipe(error) ? Effect.void : cannotWrite("stdout")(error)))
  )
})

/** Answers how many events were written. The file is its owner's alone: anyone who knows a temp key may open a door. */
export const exportToFile = Effect.fnUntraced(function* (file: string) {
  const { head, lines } = yield* feed
  const fs = yield* FileSystem.FileSystem
  const encoder = new TextEncoder()
  const temporary = `${file}.${randomUUID()}.tmp`
  const write = Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
      yield* Stream.runForEach(lines, (page) => opened.writeAll(encoder.encode(page)))
      yield* opened.sync
    })
  )
  yield* onlyFiles(file)
  yield* write.pipe(
    Effect.andThen(fs.rename(temporary, file)),
    Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true }))),
    Effect.catchTag("PlatformError", cannotWrite(file))
  )
  return head
})

/** A rename would put the export in the place of a device or a pipe. */
const onlyFiles = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const type = yield* fs.stat(file).pipe(
    Effect.map((info) => info.type),
    Effect.orElseSucceed(() => "File" as const)
  )
  if (type !== "File") {
    return yield* new CannotWrite({ message: `${file} is not a file. Name a file, or omit --out for stdout.` })
  }
})

const isClosedPipe = (error: PlatformError.PlatformError) => causeOf(error)?.code === "EPIPE"

const cannotWrite = (target: string) => (error: PlatformError.PlatformError) =>
  Effect.fail(new CannotWrite({ message: `Cannot write ${target}: ${causeOf(error)?.message ?? error.message}` }))

const causeOf = ({ cause }: PlatformError.PlatformError): NodeJS.ErrnoException | undefined =>
  cause instanceof Error ? cause : undefined
