/** Bundles the module for `spacetime publish`. The SpacetimeDB library goes into the bundle, so it is built where it is used. */
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

// From the source, also when this runs built: SpacetimeDB wants one file, so nothing is gained by building twice.
const MODULE = fileURLToPath(new URL("../src/module/index.ts", import.meta.url))

/** Writes the module into a file: `spacetime publish --js-path <file> <database>`. */
export const buildModule = async (file: string): Promise<void> => {
  const bundle = await rolldown({
    input: MODULE,
    // What the database itself provides.
    external: /^spacetime:/,
    // Neither a browser nor Node: nothing of theirs is there.
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    tsconfig: false
  })
  await bundle.write({ file, format: "esm", codeSplitting: false })
  await bundle.close()
}
