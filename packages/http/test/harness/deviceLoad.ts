/** Commands for devices, to many locks at once, for as long as a server is there. */
import type { TestLock } from "./locks.ts"

/** Goes on until it is stopped, over whatever the server does meanwhile; `accepted` is how many were. */
export const loadDevices = (locks: () => ReadonlyArray<TestLock>, callers: number) => {
  let [isStopped, accepted, asked] = [false, 0, 0]
  /** In every round each lock has one: keys come, are written again, and go. */
  const commands = [
    (lock: TestLock, round: number) => lock.post("AddKey", { keyUuid: `key-${round}` }),
    (lock: TestLock) => lock.post("OpenLock", { reason: "load" }),
    (lock: TestLock, round: number) => lock.post("WriteKey", { keyUuid: `key-${round - 2}`, keyIndexNumber: round }),
    (lock: TestLock, round: number) => lock.post("AddKey", { keyUuid: `key-${round}`, keyIndexNumber: round }),
    (lock: TestLock) => lock.post("OpenLock", {}),
    (lock: TestLock, round: number) =>
      lock.post("RemoveKey", { keyUuid: `key-${round - 2}`, keyIndexNumber: round - 2 })
  ]
  const call = async () => {
    while (!isStopped) {
      const n = asked++
      const round = Math.floor(n / locks().length)
      const lock = locks()[n % locks().length]
      const answer = lock && (await commands[round % commands.length]?.(lock, round).catch(() => undefined))
      if (answer?.status === 200) accepted++
      else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const running = Promise.all(Array.from({ length: callers }, call))
  return {
    accepted: () => accepted,
    stop: async () => {
      isStopped = true
      await running
    }
  }
}
