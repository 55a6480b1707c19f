#!/usr/bin/env node
/** `latchkey-spacetimedb [file]`: writes the module that SpacetimeDB runs. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { bundleModule } from "./bundleModule.ts"

const file = process.argv[2] ?? "latchkey-module.js"
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, await bundleModule())
process.stdout.write(`Wrote ${file}. Publish it: spacetime publish --js-path ${file} <database>\n`)
