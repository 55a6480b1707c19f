/** The tests of the rules alone: what `npm run mutation` runs against each mutant. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: [
      "packages/core/test/{AccessPolicy,AccessPolicy.*,Hardware.properties,KeysReported,Limits,LockAggregate,LockBounds,LockAggregate.*,LockCommand,LockDescription,OwnTime,Schedule,Seen,SentCommand,TempKey,TempKeyNow,UseReturned}.test.ts"
    ]
  }
})
