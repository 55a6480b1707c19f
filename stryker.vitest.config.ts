/** The tests of the rules alone: what `npm run mutation` runs against each mutant. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: [
      "packages/core/test/{TempKey,TempKeyNow,Schedule,SentCommand,AccessPolicy,LockAggregate,LockAggregate.*}.test.ts"
    ]
  }
})
