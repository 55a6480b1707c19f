#!/usr/bin/env node
/** `latchkey-spacetimedb [file]`: writes the module that SpacetimeDB runs. */
import { buildModule } from "./buildModule.ts"

const file = process.argv[2] ?? "latchkey-module.js"
await buildModule(file)
process.stdout.write(`Wrote ${file}. Publish it: spacetime publish --js-path ${file} <database>\n`)
