/** The store of `docs/write-a-store.md` keeps its word, and is printed there as it is. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventStore, ReadModel } from "@latchkey/core"
import { killSuite, storeSuite } from "@latchkey/core/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"
import * as FileStore from "./write-a-store/FileStore.ts"
import { latchkeyStore } from "./write-a-store/latchkeyStore.ts"

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "latchkey-store-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "store.db")
)

storeSuite(
  "file",
  Effect.map(temporaryFile, (path) => {
    const open = FileStore.layer(path)
    return { open, reopen: open }
  })
)
killSuite("file", { module: import.meta.resolve("./write-a-store/open.ts"), place: temporaryFile })

it("serves as the store of a server", () =>
  temporaryFile.pipe(
    Effect.flatMap((path) =>
      Effect.all([EventStore.use(({ head }) => head), ReadModel.use(({ cursor }) => cursor)]).pipe(
        Effect.provide(latchkeyStore({ FILE_STORE: path }))
      )
    ),
    Effect.tap(([head, { position }]) => Effect.sync(() => expect([head, position]).toEqual([0, 0]))),
    Effect.scoped,
    Effect.runPromise
  ))

it.each(["FileStore.ts", "open.ts", "latchkeyStore.ts"])("write-a-store.md shows %s as it is", (file) => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, path), "utf8")
  expect(read("../docs/write-a-store.md")).toContain(`\`\`\`ts\n${read(`write-a-store/${file}`)}\`\`\`\n`)
})
