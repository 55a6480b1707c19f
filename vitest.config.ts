/** `unit` needs nothing but this repository; `services` needs what CONTRIBUTING.md lists, or many processes; `chaos` is one campaign, on its own. */
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

// The processes that tests start compile the same sources over and over: half of their time, unless it is kept.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/node-compile-cache")

const services = "**/*.services.test.ts"
const chaos = "**/*.chaos.test.ts"
const exclude = ["**/node_modules/**", "**/dist/**"]

export default defineConfig({
  test: {
    environment: "node",
    pool: "forks",
    // Most tests wait for processes of their own, or for each other's disk: one more than there are processors.
    maxWorkers: availableParallelism() + 1,
    // Limits end what hangs; on a busy machine what does not hang can take ten times as long as on a quiet one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: "unit", include: ["**/*.test.ts"], exclude: [...exclude, services, chaos] } },
      { extends: true, test: { name: "services", include: [services], exclude } },
      { extends: true, test: { name: "chaos", include: [chaos], exclude } }
    ]
  }
})
