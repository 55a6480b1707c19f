/** Loaded before the kit: suites register their tests with the kit instead of Vitest, and broken copies can be imported. */
import { registerHooks } from "node:module"
import { brokenSource, copyOf } from "./broken.ts"

const runner = new URL("./runner.ts", import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "vitest" && context.parentURL?.includes("/@effect/vitest/")) {
      return { url: runner, format: "module-typescript", shortCircuit: true }
    }
    const resolved = next(specifier, context)
    return { ...resolved, url: copyOf(resolved.url, context.parentURL) }
  },
  load(url, context, next) {
    const loaded = next(url, context)
    return url.includes("?broken=") ? { ...loaded, source: brokenSource(url, String(loaded.source)) } : loaded
  }
})
