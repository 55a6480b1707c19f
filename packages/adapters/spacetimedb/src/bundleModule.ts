/** Bundles the module for `spacetime publish`. The SpacetimeDB library goes into it, so it is bundled where it is used. */
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

// From the source, also when this runs built.
const MODULE = fileURLToPath(new URL("./module/index.ts", import.meta.url))

/** The module as one file of JavaScript. */
export const bundleModule = async (): Promise<string> => {
  const bundle = await rolldown({
    input: MODULE,
    // What the database itself provides.
    external: /^spacetime:/,
    // Neither a browser nor Node: nothing of theirs is there.
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    tsconfig: false
  })
  const { output } = await bundle.generate({ format: "esm", codeSplitting: false })
  await bundle.close()
  return output[0].code
}
