#!/usr/bin/env node
/** `latchkey-spacetimedb [file]`: writes the module that SpacetimeDB runs. */
import { writeFileSync } from "node:fs"
import { bundleModule } from "./bundleModule.ts"

const file = process.argv[2] ?? "latchkey-module.js"
writeFileSync(file, await bundleModule())
process.stdout.write(`Wrote ${file}. Publish it: spacetime publish --js-path ${file} <database>\n`)
