/** Many callers on one lock, over real sockets, to one process and to several on the same folder. */
import { expect, it } from "vitest"
import { OWNER, superKey } from "./harness/callers.ts"
import { feedIn } from "./harness/dataFolder.ts"
import { createLock, historyOf, lockAt, newUuid, type TestLock, tempKey, versionsUpTo } from "./harness/locks.ts"
import { configured, startServer, temporaryFolder } from "./harness/process.ts"
import { type Answer, callsOf } from "./harness/request.ts"

const times = (count: number) => Array.from({ length: count }, (_, index) => index)
const versionsOf = (answers: ReadonlyArray<Answer>) =>
  answers.map(({ body }) => body.version ?? 0).sort((a, b) => a - b)

const USES = 60
const MAX_USES = 7

const expectUsedSevenTimes = async (lock: TestLock, tempKeyUuid: string | undefined, uses: ReadonlyArray<Answer>) => {
  const granted = uses.filter(({ status }) => status === 200)
  expect(granted.map(({ body }) => body.event?.data["usedCount"]).sort()).toEqual(versionsUpTo(MAX_USES))
  expect(uses.filter(({ status }) => status === 400)).toHaveLength(USES - MAX_USES)
  const used = (await historyOf(lock)).filter(({ type }) => type === "TempKeyUsed")
  expect(used.map(({ event }) => event?.data["usedCount"])).toEqual(versionsUpTo(MAX_USES))
  const key = (await lock.get("temp-keys")).body.tempKeys?.find(({ uuid }) => uuid === tempKeyUuid)
  expect(key).toMatchObject({ usedCount: MAX_USES, status: "used-up" })
}

it("a temp key for 7 uses is used 7 times by 60 who try at once", async () => {
  using folder = temporaryFolder()
  await using server = await startServer(configured(folder.path))
  const lock = await createLock(server.url)
  const { tempKeyUuid } = (await lock.post("create-temp-key", tempKey({ maxUses: MAX_USES }))).body
  const uses = await Promise.all(times(USES).map(() => lock.post("use-temp-key", { tempKeyUuid })))
  await expectUsedSevenTimes(lock, tempKeyUuid, uses)
})

it("several processes on one folder lose nothing, double nothing, and never answer with what is past", async () => {
  using folder = temporaryFolder()
  await using first = await startServer(configured(folder.path))
  await using second = await startServer(configured(folder.path))
  await using third = await startServer(configured(folder.path))
  const servers = [first, second, third]
  const created = await createLock(first.url)
  const locks = servers.map(({ url }) => lockAt(url, created.lockId, created.uuid))
  const lockOf = (n: number): TestLock => locks[n % locks.length] ?? created

  // Twenty writers, each with ten commands one after the other; some of them tell the device.
  const answers = await Promise.all(
    times(20).map(async (writer) => {
      const own: Array<Answer> = []
      for (const n of times(10)) {
        const lock = lockOf(writer)
        const isDevice = n === 5
        own.push(
          await (isDevice
            ? lock.post("AddKey", { keyUuid: `key-${writer}` })
            : lock.post("SetOwner", { userId: `user-${writer}-${n}` }))
        )
      }
      return own
    })
  ).then((all) => all.flat())
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(versionsOf(answers)).toEqual(versionsUpTo(201).slice(1))
  const history = await historyOf(created)
  expect(history.map(({ version }) => version)).toEqual(versionsUpTo(201))
  for (const { body } of answers) expect(history[(body.version ?? 0) - 1]?.event).toEqual(body.event)

  // One key, used through all of them at once.
  const { tempKeyUuid } = (await created.post("create-temp-key", tempKey({ maxUses: MAX_USES }))).body
  const uses = await Promise.all(times(USES).map((n) => lockOf(n).post("use-temp-key", { tempKeyUuid })))
  await expectUsedSevenTimes(lockOf(1), tempKeyUuid, uses)

  // One request, sent to all of them at once.
  const once = { "idempotency-key": newUuid() }
  const same = await Promise.all(times(9).map((n) => lockOf(n).post("SetOwner", { userId: "once" }, once)))
  expect(new Set(same.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)

  // What one has answered, the others know: details, history and the owner's list.
  for (const n of times(30)) {
    const userId = n % 2 === 0 ? OWNER : `other-${n}`
    const { version = 0 } = (await lockOf(n).post("SetOwner", { userId })).body
    const elsewhere = lockOf(n + 1)
    expect((await elsewhere.get("details")).body).toMatchObject({ ownerId: userId, version })
    expect((await elsewhere.get("events?page=3")).body.totalEvents).toBe(version)
    const { body } = await callsOf(servers[(n + 2) % 3]?.url ?? "", superKey)("GET", `/users/${OWNER}/owned-locks`)
    expect(body.totalCount).toBe(userId === OWNER ? 1 : 0)
  }

  await Promise.all(servers.map((server) => server.kill()))
  const feed = await feedIn(folder.path)
  expect(feed.map(({ position }) => position)).toEqual(versionsUpTo(feed.length))
  expect(new Set(feed.map(({ eventId }) => eventId)).size).toBe(feed.length)
})
