/** What a URL says of TLS is done, or nothing is. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Database from "../src/Database.ts"

const refusal = (query: string) =>
  Effect.scoped(Database.make(`postgres://me:hunter2@127.0.0.1/x${query}`, "latchkey")).pipe(
    Effect.match({ onSuccess: () => "", onFailure: ({ message }) => message })
  )

it.effect("a URL whose words of TLS the driver does not know is refused, since it would connect without", () =>
  Effect.gen(function* () {
    for (const query of [
      "?sslMode=verify-full",
      "?ssl_mode=verify-full",
      "?a=b&SSLMODE=require",
      "?sslmode=verify_full",
      "?sslmode="
    ]) {
      const message = yield* refusal(query)
      expect([query, message]).toEqual([query, expect.stringContaining("asked for by sslmode=verify-full")])
      expect(message).not.toContain("hunter2")
    }
  })
)

it.effect("a URL that says it as documented, or nothing of it, is taken", () =>
  Effect.gen(function* () {
    const files = "&sslrootcert=/a&sslcert=/b&sslkey=/c"
    for (const query of [
      "",
      "?application_name=ssl",
      "?sslmode=disable",
      "?sslmode=no-verify",
      `?sslmode=verify-full${files}`
    ])
      expect([query, yield* refusal(query)]).toEqual([query, ""])
  })
)
