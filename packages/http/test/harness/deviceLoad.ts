/** Commands for devices, to many locks at once, for as long as a server is there. */
import type { TestLock } from "./locks.ts"

/** Goes on until it is stopped, over whatever the server does meanwhile; answers how many were accepted. */
export const loadDevices = (locks: () => ReadonlyArray<TestLock>, callers: number) => {
  let [isStopped, accepted, asked] = [false, 0, 0]
  const commands = [
    (lock: TestLock, n: number) => lock.post("AddKey", { keyUuid: `key-${n}` }),
    (lock: TestLock) => lock.post("OpenLock", { reason: "load" }),
    (lock: TestLock, n: number) => lock.post("AddKey", { keyUuid: `key-${n}`, keyIndexNumber: n }),
    (lock: TestLock) => lock.post("OpenLock", {})
  ]
  const call = async () => {
    while (!isStopped) {
      const n = asked++
      const lock = locks()[n % locks().length]
      const answer = lock && (await commands[n % commands.length]?.(lock, n).catch(() => undefined))
      if (answer?.status === 200) accepted++
      else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const running = Promise.all(Array.from({ length: callers }, call))
  return {
    stop: async () => {
      isStopped = true
      await running
      return accepted
    }
  }
}
