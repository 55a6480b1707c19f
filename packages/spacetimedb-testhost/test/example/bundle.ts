import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

/** One file of JavaScript that imports the host's modules and nothing else. */
export async function bundle(module: string): Promise<string> {
  await using build = await rolldown({
    input: fileURLToPath(new URL(module, import.meta.url)),
    external: /^spacetime:sys@/,
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
    logLevel: "silent"
  })
  const { output } = await build.generate({ format: "esm" })
  return output[0].code
}
