/** Of several processes that want a thing at the same instant, one gets it; with more of them in the tests of services. */
import { it } from "vitest"
import { feedIn } from "../harness/dataFolder.ts"
import { temporaryFolder } from "../harness/process.ts"
import { race } from "./race.ts"

it("a thing is one process's, of four that want it on one folder, for a new lock or for one that they have", async () => {
  using folder = temporaryFolder()
  await race(folder.path, { racers: 4, rounds: 9 }, () => feedIn(folder.path))
})
