/** The log as a file: out of a store, into another one, and out again. */
import { execFileSync, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { layer as platform } from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { EventStore, refusePart, type StoredEvent, StoreUnavailable } from "@latchkey/core"
import { MemoryEventStore } from "@latchkey/core/memory"
import { lockFeed } from "@latchkey/core/testing"
import { Sqlite } from "@latchkey/sqlite"
import { Effect, Sink, Stdio } from "effect"
import { afterAll, beforeAll } from "vitest"
import { encodeLine } from "../src/cli/Envelope.ts"
import { CannotWrite, exportToFile, exportToStdout } from "../src/cli/exportEvents.ts"
import { ImportStopped, importEvents, OtherExport, StoreNotEmpty } from "../src/cli/importEvents.ts"
import { OWNER, superKey } from "./harness/callers.ts"
import { latchkey, succeed } from "./harness/command.ts"
import { newSchema } from "./harness/postgres.ts"
import { configured, MAIN, runToEnd, startServer, temporaryFolder } from "./harness/process.ts"
import { callsOf } from "./harness/request.ts"

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

let stores = 0
/** The variables of a store of its own. */
const emptyStore = () => ({ LATCHKEY_DATA: join(folder.path, `store-${++stores}`) })

/** What JSON, UTF-8 and JavaScript treat in ways of their own. */
const NASTY = {
  text: '\0 \u2028\u2029 \ud83d\udd11 \ud800 \r\n\\"',
  ["__proto__"]: { 1: 1e21, b: [null, -0.5] },
  "": ""
}

/** Texts that no store has to keep. */
const NO_TEXT = ["a\0b", "a\ud800b"]
/** More than the index of a store takes, also once it is compressed. */
const LONG = randomBytes(5_000).toString("hex")

const feedOf = (count: number, streams: number): ReadonlyArray<StoredEvent> =>
  Array.from({ length: count }, (_, index) => ({
    position: index + 1,
    streamId: `lock-${(index % streams) + 1}`,
    version: Math.floor(index / streams) + 1,
    eventId: `event-${index + 1}`,
    type: index < streams ? "LockCreated" : "SomethingNew",
    data: {
      lockId: (index % streams) + 1,
      uuid: `lock-${index}`,
      timestamp: "2026-01-01T00:00:00.000Z",
      nasty: index % 7 === 0 ? NASTY : ""
    },
    at: 1_790_000_000_000 + index,
    orgId: index % 2 === 0 ? "" : "acme",
    principal: index % 2 === 0 ? { _tag: "User", userId: "u\u2028" } : { _tag: "Organization", orgId: "acme" },
    commandId: `command-${index + 1}`
  }))

const linesOf = (events: ReadonlyArray<StoredEvent>) => events.map((event) => `${encodeLine(event)}\n`)

/** An export of these lines, with its last one. */
const sealed = (lines: ReadonlyArray<string>, doubles?: number): string => {
  const text = lines.join("")
  const sha256 = createHash("sha256").update(text).digest("hex")
  return `${text}${JSON.stringify({ events: lines.length, doubles, sha256 })}\n`
}

/** The lines as the first edition wrote them: none promises a last one. */
const ofFirstEdition = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => line.replace('"format":2,', ""))

describe("export and import", () => {
  it.effect.prop(
    "give the same bytes again, whatever happened",
    [lockFeed],
    ([feed]) =>
      Effect.gen(function* () {
        const [first, second] = [join(folder.path, "first"), join(folder.path, "second")]
        writeFileSync(first, sealed(linesOf(feed)))
        const count = yield* importEvents(first).pipe(
          Effect.andThen(exportToFile(second)),
          Effect.provide(MemoryEventStore.layer)
        )
        expect(count).toBe(feed.length)
        expect(readFileSync(second, "utf8")).toBe(readFileSync(first, "utf8"))
      }).pipe(Effect.provide(platform)),
    { arbitrary: { runs: 30 } }
  )

  it("keep every byte through files and pipes, in interleaved streams and with strange text", async () => {
    const exported = sealed(linesOf(feedOf(5_000, 7)))
    const [one, other] = [emptyStore(), emptyStore()]
    expect(await succeed(one, ["events", "import", "-"], exported)).toBe("Events imported: 5000\n")
    expect(await succeed(one, ["events", "export"])).toBe(exported)
    const file = join(folder.path, "export.ndjson")
    writeFileSync(file, "older")
    await succeed(one, ["events", "export", "--out", file])
    await succeed(other, ["events", "import", file])
    expect(await succeed(other, ["events", "export"])).toBe(exported)
    expect(readFileSync(file, "utf8")).toBe(exported)
    expect(statSync(file).mode & 0o077).toBe(0)
    expect(readdirSync(folder.path).filter((name) => name.endsWith(".tmp"))).toEqual([])
  })

  it("carry an empty log", async () => {
    const store = emptyStore()
    expect(await succeed(store, ["events", "import", "-"], sealed([]))).toBe("Events imported: 0\n")
    expect(await succeed(store, ["events", "export"])).toBe(sealed([]))
  })
})

describe("import", () => {
  const lines = linesOf(feedOf(6, 2))
  const double = JSON.stringify({ ...JSON.parse(lines[4] ?? ""), eventId: "event-2" })
  const doubled = lines.with(4, `${double}\n`)
  const changed = (index: number, change: (event: Record<string, unknown>) => void) => {
    const event = JSON.parse(lines[index] ?? "")
    change(event)
    return lines.with(index, `${JSON.stringify(event)}\n`).join("")
  }

  /** What no store has to keep in the names of an event, and of the thing and the link in its data. */
  const misnamed = Object.entries({
    eventId: [LONG, "", ...NO_TEXT],
    commandId: [LONG, ...NO_TEXT],
    streamId: [LONG, "", "löck-1", ...NO_TEXT],
    orgId: [LONG, ...NO_TEXT],
    type: [LONG, "", "Äußert", ...NO_TEXT],
    uuid: [LONG, ...NO_TEXT],
    link: [LONG, ...NO_TEXT]
  }).flatMap(([field, names]) =>
    names.map((name) => {
      const content = changed(1, (event) => {
        if (field === "link") event["type"] = "SharedCredentialLinkSet"
        Object.assign(field === "link" || field === "uuid" ? Object(event["data"]) : event, { [field]: name })
      })
      return [`${JSON.stringify(name).slice(0, 20)} as ${field}`, content, 2] as const
    })
  )

  const broken: ReadonlyArray<readonly [flaw: string, content: string | Buffer, line: number]> = [
    ["a line that is not JSON", lines.with(2, "nonsense\n").join(""), 3],
    ["an empty line", lines.with(2, "\n").join(""), 3],
    ["a line that is no event", changed(1, (event) => delete event["principal"]), 2],
    ["a wrong type", changed(1, (event) => (event["at"] = "today")), 2],
    [
      "a principal with a field that nobody knows",
      changed(3, (event) => Object.assign(Object(event["principal"]), { badge: 7 })),
      4
    ],
    ["a field that nobody knows", changed(3, (event) => (event["colour"] = "red")), 4],
    [
      "data that is none of its type",
      changed(3, (event) => Object.assign(event, { type: "OwnerSet", data: { userId: 1 } })),
      4
    ],
    ...misnamed,
    ["a time that no calendar has", changed(3, (event) => (event["at"] = 9e15)), 4],
    ["data that is no object", changed(3, (event) => (event["data"] = [])), 4],
    ["a gap in the positions", lines.with(3, "").join(""), 4],
    ["a beginning that is missing", lines.slice(1).join(""), 1],
    [
      "another order",
      lines
        .with(1, lines[2] ?? "")
        .with(2, lines[1] ?? "")
        .join(""),
      2
    ],
    ["a gap in the versions", changed(4, (event) => (event["version"] = 4)), 5],
    ["a last line that is cut off", lines.join("").slice(0, -20), 6],
    ["a last line without its end", lines.join("").slice(0, -1), 6],
    ["an end that is missing, to the line", lines.slice(0, 4).join(""), 5],
    ["a last line that is missing", lines.join(""), 7],
    ["an event that is missing before the last line", sealed(lines).replace(lines[5] ?? "", ""), 6],
    ["an event that reads otherwise", sealed(lines).replace("event-3", "event-x"), 7],
    ["a last line that is not the last", `${sealed(lines)}${lines[0]}`, 8],
    ["a last line for no events that is cut off", sealed([]).slice(0, -9), 1],
    ["a file that is empty", "", 1],
    ["an event id that is there twice", sealed(doubled), 5],
    ["more event ids that are there twice than the log held", sealed(doubled, 2), 5],
    ["bytes that are not UTF-8", Buffer.concat([Buffer.from([0xff]), Buffer.from(lines.join(""))]), 1]
  ]

  it.effect.each(broken)("refuses %s, and imports nothing", ([, content, line]) =>
    Effect.gen(function* () {
      const file = join(folder.path, "broken.ndjson")
      writeFileSync(file, content)
      const { message } = yield* Effect.flip(importEvents(file))
      expect(message).toMatch(
        new RegExp(`^${file}, line ${line}: .+ Nothing was imported: import a file just as an export wrote it\\.$`)
      )
      expect(yield* (yield* EventStore).head).toBe(0)
    }).pipe(Effect.provide([MemoryEventStore.layer, platform]))
  )

  it("takes an export of the first edition as it is, doubled event ids included, and warns", async () => {
    const store = emptyStore()
    const old = await latchkey(store, ["events", "import", "-"], ofFirstEdition(doubled).join(""))
    expect({ code: old.code, stdout: old.stdout }).toEqual({ code: 0, stdout: "Events imported: 6\n" })
    expect(JSON.parse(old.stderr)).toMatchObject({
      level: "WARN",
      message: expect.stringMatching(/no last line.*repeats 1 event ids/)
    })
    const exported = await succeed(store, ["events", "export"])
    expect(exported).toBe(sealed(doubled, 1))
    // What a log of the first edition holds can be restored from an export of today.
    const restored = emptyStore()
    expect(await succeed(restored, ["events", "import", "-"], exported)).toBe("Events imported: 6\n")
    expect(await succeed(restored, ["events", "export"])).toBe(exported)
  })

  it.effect("that is refused leaves a store that the next import may fill", () =>
    Effect.gen(function* () {
      const layer = Sqlite.layer({ folder: emptyStore().LATCHKEY_DATA })
      const file = join(folder.path, "twice.ndjson")
      writeFileSync(file, lines.join(""))
      yield* Effect.flip(importEvents(file)).pipe(Effect.provide(layer, { local: true }))
      writeFileSync(file, sealed(lines))
      expect(yield* importEvents(file).pipe(Effect.provide(layer, { local: true }))).toBe(lines.length)
    }).pipe(Effect.provide(platform))
  )

  it("that was interrupted, wherever, leaves a store that nothing starts on, and nothing is exported from", async () => {
    const reading = emptyStore()
    const child = spawn(process.execPath, [MAIN, "events", "import", "-"], {
      env: { ...process.env, ...reading },
      stdio: ["pipe", "ignore", "ignore"]
    })
    child.stdin.write(lines.join(""))
    const database = join(reading.LATCHKEY_DATA, "latchkey.db")
    const isMarked = () => {
      if (!existsSync(database)) return false
      const db = new DatabaseSync(database, { readOnly: true })
      try {
        return db.prepare("SELECT 1 FROM records WHERE key = 'import'").get() !== undefined
      } catch {
        return false
      } finally {
        db.close()
      }
    }
    await expect.poll(isMarked, { timeout: 60_000 }).toBe(true)
    child.kill("SIGKILL")
    await once(child, "close")
    const { code, output } = await runToEnd({ ...configured(reading.LATCHKEY_DATA), ...reading })
    expect(code).toBe(1)
    expect(output).toMatch(/^latchkey: LATCHKEY_DATA: .*part of an export: an import .* was interrupted.*\n$/)
    const read = await latchkey(reading, ["events", "export"])
    expect([read.code, read.stdout, read.stderr]).toEqual([1, "", expect.stringContaining("part of an export")])
  })

  it("says in one line what is wrong with a file", async () => {
    const { code, stdout, stderr } = await latchkey(emptyStore(), ["events", "import", "-"], lines.slice(1).join(""))
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toMatch(
      /^latchkey: stdin, line 1: position 2 where 1 belongs\. Nothing was imported: import a file .+\.\n$/
    )
  })

  it("refuses a file that is not there", async () => {
    const store = emptyStore()
    const missing = await latchkey(store, ["events", "import", join(folder.path, "missing")])
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/^latchkey: Cannot read .*missing.*\n$/)
  })

  it.each(["SQLite", "PostgreSQL"])("of an id that is too long leaves %s as empty as it was", async (name) => {
    await using schema = newSchema()
    const store = name === "SQLite" ? emptyStore() : { ...emptyStore(), ...schema.environment }
    const refused = await latchkey(
      store,
      ["events", "import", "-"],
      changed(1, (event) => (event["eventId"] = LONG))
    )
    expect(refused).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "latchkey: stdin, line 2: eventId: Expected at most 300 characters of Unicode text without NUL. Nothing was imported: import a file just as an export wrote it.\n"
    })
    expect(await succeed(store, ["events", "export"])).toBe(sealed([]))
    await succeed(store, ["events", "import", "-"], sealed(lines))
  })

  it.effect("refuses a store that holds events, and leaves it as it was", () =>
    Effect.gen(function* () {
      const file = join(folder.path, "again.ndjson")
      writeFileSync(file, sealed(lines))
      yield* importEvents(file)
      expect(yield* Effect.flip(importEvents(file))).toBeInstanceOf(StoreNotEmpty)
      expect(yield* (yield* EventStore).head).toBe(lines.length)
    }).pipe(Effect.provide([MemoryEventStore.layer, platform]))
  )

  it.effect("stops when another process writes meanwhile, and says what to do", () =>
    Effect.gen(function* () {
      const file = join(folder.path, "stopped.ndjson")
      writeFileSync(file, sealed(lines))
      const store = yield* EventStore
      const [first] = feedOf(1, 1)
      if (first === undefined) return expect.fail()
      // An empty store that somebody writes to as soon as the import has looked.
      const other = store.write({ append: [{ streamId: "elsewhere", expectedVersion: 0, events: [first] }] })
      const written = yield* Effect.cached(Effect.orDie(other))
      const raced = { ...store, head: Effect.tap(store.head, () => written) }
      const stopped = yield* importEvents(file).pipe(Effect.provideService(EventStore, raced), Effect.flip)
      expect(stopped).toBeInstanceOf(ImportStopped)
      expect(stopped.message).toMatch(/^Another process wrote.*nothing starts on the store/)
      expect(yield* store.head).toBe(1)
    }).pipe(Effect.provide([MemoryEventStore.layer, platform]))
  )

  it.effect("that was interrupted goes on with the same file, and with no other", () =>
    Effect.gen(function* () {
      const feed = feedOf(1_700, 10)
      const [file, other, copy] = ["whole", "other", "copy"].map((name) => join(folder.path, `${name}.ndjson`))
      if (file === undefined || other === undefined || copy === undefined) return expect.fail()
      writeFileSync(file, sealed(linesOf(feed)))
      writeFileSync(other, sealed(linesOf(feed.map((event) => ({ ...event, eventId: `${event.eventId}-other` })))))
      const store = yield* EventStore
      let writes = 0
      const failing = {
        ...store,
        write: (batch: Parameters<typeof store.write>[0]) =>
          ++writes === 3 ? Effect.fail(new StoreUnavailable({ message: "The disk is full." })) : store.write(batch)
      }
      const stopped = yield* importEvents(file).pipe(Effect.provideService(EventStore, failing), Effect.flip)
      expect(stopped.message).toMatch(/The disk is full\..*import the same file again/)
      const reached = yield* store.head
      expect([reached > 0, reached < feed.length]).toEqual([true, true])
      const others = [
        feed.slice(0, reached - 1),
        // The same but for one event, long before the newest that is there.
        feed.with(30, { ...feed[30], data: { changed: true } } as StoredEvent)
      ]
      for (const events of others) {
        writeFileSync(other, sealed(linesOf(events)))
        expect(yield* Effect.flip(importEvents(other))).toBeInstanceOf(OtherExport)
      }
      expect(yield* store.head).toBe(reached)
      expect(yield* importEvents(file)).toBe(feed.length)
      yield* exportToFile(copy)
      expect(readFileSync(copy, "utf8")).toBe(readFileSync(file, "utf8"))
      expect(yield* Effect.flip(importEvents(file))).toBeInstanceOf(StoreNotEmpty)
    }).pipe(Effect.provide([MemoryEventStore.layer, platform]))
  )

  it.effect("of a file that is broken far behind keeps what is before, for a whole one to go on from", () =>
    Effect.gen(function* () {
      const feed = feedOf(6_000, 10)
      const whole = sealed(linesOf(feed))
      const flaws = ["cut off", "nonsense"] as const
      for (const flaw of flaws) {
        const file = join(folder.path, `${flaw}.ndjson`)
        const cut = whole.split("\n").slice(0, 5_900).join("\n")
        writeFileSync(file, flaw === "cut off" ? cut : `${cut}\nnonsense\n`)
        yield* Effect.gen(function* () {
          const store = yield* EventStore
          const { message } = yield* Effect.flip(importEvents(file))
          expect(message).toMatch(
            new RegExp(
              `^${file}, line ${flaw === "cut off" ? 5_900 : 5_901}: .*nothing starts on the store.*a whole one of the same log`
            )
          )
          expect(yield* store.head).toBeGreaterThan(0)
          expect(yield* Effect.flip(refusePart(store))).toBeInstanceOf(StoreUnavailable)
          writeFileSync(file, whole)
          expect(yield* importEvents(file)).toBe(feed.length)
          yield* refusePart(store)
          expect(yield* store.feed(0, 10_000)).toEqual(feed)
        }).pipe(Effect.provide([MemoryEventStore.layer, platform], { local: true }))
      }
    })
  )
})

describe("export", () => {
  it("ends well when its reader has seen enough", async () => {
    const store = emptyStore()
    await succeed(store, ["events", "import", "-"], sealed(linesOf(feedOf(2_000, 10))))
    const child = spawn(process.execPath, [MAIN, "events", "export"], {
      env: { ...process.env, ...store },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stderr = ""
    child.stderr.on("data", (chunk) => (stderr += chunk))
    child.stdout.once("data", () => child.stdout.destroy())
    const [code] = await once(child, "close")
    expect(stderr.replaceAll(/.*ExperimentalWarning.*\n.*\n/g, "")).toBe("")
    expect(code).toBe(0)
  })

  // One of its own: an export that is not refused would replace it, and /dev/null is everybody's.
  const pipe = join(folder.path, "pipe")
  beforeAll(() => void execFileSync("mkfifo", [pipe]))

  it.effect.each([
    ["a folder that is not there", join(folder.path, "no-such-folder", "file"), /^Cannot write /],
    ["the place of a pipe", pipe, /is not a file\./]
  ] as const)("does not write into %s", ([, path, message]) =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(exportToFile(path))
      expect(refused).toBeInstanceOf(CannotWrite)
      expect(refused.message).toMatch(message)
    }).pipe(Effect.provide([MemoryEventStore.layer, platform]))
  )
})

describe("projections rebuild", () => {
  it("gives the rows that live projection gave, while a server runs", async () => {
    const environment = configured(join(folder.path, "served"))
    await using server = await startServer(environment)
    const call = callsOf(server.url, superKey)
    const owned = async () => (await call("GET", `/users/${OWNER}/owned-locks`)).body.totalCount
    const createOwned = async (id: number) => {
      const uuid = `0d000000-0000-4000-8000-00000000000${id}`
      const { status, text } = await call("POST", `/locks/${id}/CreateLock`, {
        body: { index: id, uuid, ownerId: OWNER }
      })
      expect(status, text).toBe(201)
    }
    for (const id of [1, 2, 3]) await createOwned(id)
    await expect.poll(owned).toBe(3)
    expect(await succeed(environment, ["projections", "rebuild"])).toMatch(/Events: \d+\n$/)
    expect(await owned()).toBe(3)
    await createOwned(4)
    await expect.poll(owned).toBe(4)
  })
})

it.effect.each([true, false])("an export to stdout, a terminal or not (%j), moves no cursor there", (isTerminal) => {
  let written = ""
  const stdio = Stdio.layerTest({
    stdoutIsTerminal: Effect.succeed(isTerminal),
    stdout: () => Sink.forEach((text) => Effect.sync(() => void (written += String(text))))
  })
  return Effect.gen(function* () {
    const [event] = feedOf(1, 1)
    if (event === undefined) expect.fail()
    const data = { ...event.data, ownerId: "\u009b31m\u202e" }
    const store = yield* EventStore
    const { streamId, version: _, position: __, ...more } = event
    yield* store.write({ append: [{ streamId, expectedVersion: 0, events: [{ ...more, data }] }] })
    yield* exportToStdout
    const [line = ""] = written.split("\n")
    expect(JSON.parse(line).data).toEqual(data)
    expect(/[\u009b\u202e]/.test(written)).toBe(!isTerminal)
  }).pipe(Effect.provide([stdio, MemoryEventStore.layer]))
})
