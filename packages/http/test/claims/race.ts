/** Processes that claim the same thing at the same instant: one of them gets it. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { StoredEvent } from "@latchkey/core"
import { expect } from "vitest"
import { inherited } from "../harness/process.ts"
import { thingOfRound } from "./things.ts"

const RACER = fileURLToPath(new URL("racer.ts", import.meta.url))
/** So long before a round it is told. */
const AHEAD = 25

const startRacer = (place: string, n: number) => {
  const child = spawn(process.execPath, [RACER, place, String(n)], {
    env: { ...inherited(), NODE_NO_WARNINGS: "1" },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const answer = async () => {
    const { value, done } = await lines.next()
    return done === true ? expect.fail(`Racer ${n} has ended.`) : String(value)
  }
  return {
    answer,
    wants: (round: number, instant: number) => {
      child.stdin.write(`${round} ${instant}\n`)
      return answer()
    },
    stop: async () => {
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      await ended
    }
  }
}

/** Fails unless each round's thing is one racer's, to its own knowledge and by the log. */
export const race = async (
  place: string,
  { racers, rounds }: { readonly racers: number; readonly rounds: number },
  feed: () => Promise<ReadonlyArray<StoredEvent>>
): Promise<void> => {
  const field = Array.from({ length: racers }, (_, n) => startRacer(place, n + 1))
  try {
    expect(await Promise.all(field.map(({ answer }) => answer()))).toEqual(field.map(() => "ready"))
    for (let round = 1; round <= rounds; round++) {
      const answers = await Promise.all(field.map(({ wants }) => wants(round, Date.now() + AHEAD)))
      const lost = Array.from({ length: racers - 1 }, () => "DeviceInUse")
      expect([round, answers.toSorted()]).toEqual([round, [...lost, "won"]])
    }
  } finally {
    await Promise.all(field.map(({ stop }) => stop()))
  }
  const taken = (await feed()).map(({ data }) => String(data["newUuid"] ?? data["uuid"]).toLowerCase())
  for (let round = 1; round <= rounds; round++)
    expect(taken.filter((thing) => thing === thingOfRound(round))).toHaveLength(1)
}
