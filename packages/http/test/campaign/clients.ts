/** Clients that ask for everything a lock can do, of whichever server, impatiently, and write down what they were told. */
import { setTimeout as sleep } from "node:timers/promises"
import { type CommandRow, commandTable } from "@latchkey/core"
import { organization, otherOrganization, superKey, user } from "../harness/callers.ts"
import { tempKey } from "../harness/locks.ts"
import type { AnswerBody } from "../harness/request.ts"
import { between, type Chance, oneOf } from "./chance.ts"

/** One thing that a client wants. It may ask more than once: then with an idempotency key, which makes it one. */
export interface Ask {
  readonly op: string
  readonly lockId: number
  /** What the event that comes of it carries and no other does; see `markOf`. None where several asks may want the same. */
  readonly mark: string | undefined
  readonly tries: ReadonlyArray<Try>
}

/** Times by `performance.now()`. */
export interface Try {
  readonly url: string
  readonly begun: number
  readonly ended: number
  /** None when the server ended, or the client did not wait for it. */
  readonly answer: { readonly status: number; readonly body: Told } | undefined
}

interface Told extends AnswerBody {
  readonly advice?: string
  readonly usedCount?: number
  readonly pin?: string | null
  readonly lockUuid?: string
}

interface Wish {
  readonly op: string
  readonly lockId: number
  readonly path: string
  readonly method?: "GET" | "DELETE"
  readonly body?: unknown
  readonly caller: Readonly<Record<string, string>>
  readonly mark?: string
  readonly onSuccess?: (body: Told, asked: Try) => void
}

export interface Bulk {
  readonly lockId: number
  readonly instanceId: string
}

export interface Clients {
  readonly asks: ReadonlyArray<Ask>
  readonly bulks: ReadonlyArray<Bulk>
  readonly locks: ReadonlyArray<{ readonly lockId: number; readonly uuid: string }>
  /** Shared keys whose end was answered, and when (`performance.now()`). */
  readonly revoked: ReadonlyMap<string, number>
  /** The shared key that an ask opened a door with, by its mark. */
  readonly openedWith: ReadonlyMap<string, string>
  /** Most uses that each temp key was ever allowed. */
  readonly maxUses: ReadonlyMap<string, number>
  readonly ask: (wish: "CreateLock", chance: Chance) => Promise<void>
  readonly run: (chance: Chance, isOver: () => boolean) => Promise<void>
  /** Asks a server for a device command at each lock, or at some of many, all at once; `rushed` ends when all are answered, or given up. */
  readonly rush: (url: string, chance: Chance) => void
  readonly rushed: () => Promise<unknown>
  /** How many commands were answered well. */
  readonly answered: () => number
}

const MOST_RUSHED = 12
const FOREVER = { exp: 4_000_000_000 }

/** What is asked for, how often compared with the rest: everything that changes what may be done, and no hardware. */
const EVERYTHING = {
  AddKey: 6,
  RemoveKey: 5,
  WriteKey: 1,
  BulkAddKeys: 1,
  SetOwner: 3,
  SetOrganization: 2,
  AddResident: 2,
  RemoveResident: 1,
  CreateTempKey: 4,
  UpdateTempKey: 1,
  DeleteTempKey: 1,
  UseTempKey: 8,
  OpenWithTempKey: 8,
  OpenLock: 4,
  Share: 1,
  Revoke: 0.5,
  OpenDoor: 4,
  OpenWithPin: 3,
  details: 6
}

/** The command by which a lock gets other hardware. */
const [replacing = ""] =
  Object.entries<CommandRow>(commandTable).find(([, { event }]) => event === "LockUuidChanged") ?? []

/** What the hardware must be told, and other hardware. */
export const HARDWARE = {
  AddKey: 12,
  RemoveKey: 8,
  WriteKey: 2,
  BulkAddKeys: 1,
  OpenLock: 8,
  LockDevice: 2,
  Replace: 1,
  SyncKeys: 1,
  details: 2
}

/** `onThing`: a lock has got a device, or is to get it. */
export const makeClients = (
  urls: () => ReadonlyArray<string>,
  onThing: (uuid: string, lockId: number) => void,
  shares: { readonly [op: string]: number } = EVERYTHING
): Clients => {
  const asks: Array<Ask> = []
  const bulks: Array<Bulk> = []
  const locks: Array<{ lockId: number; uuid: string }> = []
  const keys: Array<{ lockId: number; uuid: string }> = []
  const residents: Array<{ lockId: number; userId: string }> = []
  const owners: Array<{ lockId: number; userId: string }> = []
  const tempKeys: Array<{ lockId: number; uuid: string }> = []
  const shared: Array<{ uuid: string; pin: string; lockIds: ReadonlyArray<number> }> = []
  const maxUses = new Map<string, number>()
  const revoked = new Map<string, number>()
  const openedWith = new Map<string, string>()
  let marks = 0
  const nextMark = () => `c0000000-0000-4000-8000-${(++marks).toString(16).padStart(12, "0")}`
  let slots = 0
  let answered = 0
  const rushing: Array<Promise<unknown>> = []

  const anyOrganization = (chance: Chance) => oneOf(chance, [organization, otherOrganization, superKey, superKey]) ?? {}

  const someKeys = () => keys.slice(-4 * locks.length)

  const createLock = (): Wish => {
    const [mark, lockId] = [nextMark(), locks.length + 1]
    locks.push({ lockId, uuid: mark })
    onThing(mark, lockId)
    const body = { index: 1, uuid: mark }
    return { op: "CreateLock", lockId, path: `/locks/${lockId}/CreateLock`, body, caller: organization, mark }
  }

  const wishes: { readonly [op: string]: (chance: Chance, lockId: number) => Wish | undefined } = {
    AddKey: (chance, lockId) => {
      const mark = nextMark()
      const slot = chance() < 0.5 ? { keyIndexNumber: 1 + Math.floor(chance() * 20) } : {}
      const body = { keyUuid: mark, ...slot }
      const onSuccess = () => keys.push({ lockId, uuid: mark })
      return command("AddKey", lockId, body, anyOrganization(chance), { mark, onSuccess })
    },
    RemoveKey: (chance) => {
      const key = oneOf(chance, someKeys())
      return key && command("RemoveKey", key.lockId, { keyUuid: key.uuid }, anyOrganization(chance))
    },
    WriteKey: (chance) => {
      const key = oneOf(chance, someKeys())
      return key && command("WriteKey", key.lockId, { keyUuid: key.uuid }, anyOrganization(chance))
    },
    BulkAddKeys: (chance, lockId) => {
      const some = Array.from({ length: 1 + Math.floor(chance() * 5) }, () => ({
        keyUuid: nextMark(),
        ...(chance() < 0.5 && { keyIndexNumber: 100 + (slots++ % 30) })
      }))
      const onSuccess = ({ instanceId = "" }: Told) => {
        if (bulks.every((bulk) => bulk.instanceId !== instanceId)) bulks.push({ lockId, instanceId })
      }
      return command("BulkAddKeys", lockId, { keys: some }, superKey, { onSuccess })
    },
    SetOwner: (chance, lockId) => {
      const mark = nextMark()
      owners.push({ lockId, userId: mark })
      return command("SetOwner", lockId, { userId: mark }, anyOrganization(chance), { mark })
    },
    SetOrganization: (chance, lockId) =>
      command("SetOrganization", lockId, { orgId: chance() < 0.6 ? "org-1" : "org-2" }, anyOrganization(chance)),
    AddResident: (chance, lockId) => {
      const mark = nextMark()
      residents.push({ lockId, userId: mark })
      return command("AddResident", lockId, { name: "Ada", userId: mark }, anyOrganization(chance), { mark })
    },
    RemoveResident: (chance) => {
      const one = oneOf(chance, residents.slice(-8))
      return one && command("RemoveResident", one.lockId, { userId: one.userId }, anyOrganization(chance))
    },
    CreateTempKey: (chance, lockId) => {
      const mark = nextMark()
      const most = 1 + Math.floor(chance() * 3)
      maxUses.set(mark, most)
      tempKeys.push({ lockId, uuid: mark })
      const body = tempKey({ tempKeyUuid: mark, maxUses: most })
      return command("create-temp-key", lockId, body, anyOrganization(chance), { mark })
    },
    UpdateTempKey: (chance) => {
      const key = oneOf(chance, tempKeys.slice(-6))
      if (key === undefined) return undefined
      const most = 1 + Math.floor(chance() * 4)
      maxUses.set(key.uuid, Math.max(most, maxUses.get(key.uuid) ?? 0))
      const body = { tempKeyUuid: key.uuid, maxUses: most }
      return command("update-temp-key", key.lockId, body, anyOrganization(chance))
    },
    DeleteTempKey: (chance) => {
      const key = oneOf(chance, tempKeys.slice(-10))
      return key && command("delete-temp-key", key.lockId, { tempKeyUuid: key.uuid }, anyOrganization(chance))
    },
    UseTempKey: (chance) => {
      const key = oneOf(chance, tempKeys.slice(-6))
      const mark = nextMark()
      const body = { tempKeyUuid: key?.uuid, userId: mark }
      return key && command("use-temp-key", key.lockId, body, anyOrganization(chance), { mark })
    },
    OpenWithTempKey: (chance) => {
      const key = oneOf(chance, tempKeys.slice(-6))
      const mark = nextMark()
      const [path, caller] = [`/temp-keys/${key?.uuid}/open`, { ...user(mark, FOREVER), accept: "application/json" }]
      return key && { op: "OpenWithTempKey", lockId: key.lockId, path, body: {}, caller, mark }
    },
    OpenLock: (chance, lockId) => {
      const mark = nextMark()
      const owner = oneOf(chance, owners.slice(-10))
      const byOwner = owner !== undefined && chance() < 0.5
      const caller = byOwner ? user(owner.userId, FOREVER) : anyOrganization(chance)
      return command("OpenLock", byOwner ? owner.lockId : lockId, { requestId: mark }, caller, { mark })
    },
    LockDevice: (chance, lockId) => command("LockDevice", lockId, {}, anyOrganization(chance)),
    Replace: (_, lockId) => {
      const mark = nextMark()
      onThing(mark, lockId)
      return command(replacing, lockId, { newUuid: mark }, superKey, { mark })
    },
    SyncKeys: (chance, lockId) => command("sync", lockId, {}, anyOrganization(chance)),
    Share: (chance, lockId) => {
      const other = oneOf(chance, locks)?.lockId ?? lockId
      const lockIds = [...new Set([lockId, other])]
      const { validFrom, validUntil } = tempKey()
      const doors = lockIds.map((id) => ({ lockId: String(id), accessMethod: "both" }))
      const onSuccess = ({ uuid = "", pin }: Told) => {
        if (shared.every((one) => one.uuid !== uuid)) shared.push({ uuid, pin: pin ?? "", lockIds })
      }
      const body = { validFrom, validUntil, doors }
      return { op: "Share", lockId, path: "/temp-keys", body, caller: anyOrganization(chance), onSuccess }
    },
    Revoke: (chance) => {
      const one = oneOf(chance, shared.slice(-4))
      const onSuccess = (_: Told, { ended }: Try) => {
        if (one) revoked.set(one.uuid, Math.min(ended, revoked.get(one.uuid) ?? Number.POSITIVE_INFINITY))
      }
      const path = `/temp-keys/${one?.uuid}`
      return one && { op: "Revoke", lockId: one.lockIds[0] ?? 0, path, method: "DELETE", caller: superKey, onSuccess }
    },
    OpenDoor: (chance) => {
      const one = oneOf(chance, shared.slice(-4))
      if (one === undefined) return undefined
      const mark = nextMark()
      openedWith.set(mark, one.uuid)
      const door = Math.floor(chance() * one.lockIds.length)
      const caller = { ...user(mark, FOREVER), accept: "application/json" }
      const path = `/temp-keys/${one.uuid}/doors/${door + 1}/open`
      return { op: "OpenDoor", lockId: one.lockIds[door] ?? 0, path, body: {}, caller, mark }
    },
    OpenWithPin: (chance) => {
      const one = oneOf(chance, shared.slice(-4))
      if (one === undefined) return undefined
      const mark = nextMark()
      const isWrong = chance() < 0.1
      const lockId = oneOf(chance, one.lockIds) ?? 0
      // A wrong one is nobody's: as long as a right one, and the chance that it is one is a hundred millionth.
      const pin = isWrong ? String(10_000_000 + Math.floor(chance() * 89_999_999)) : one.pin
      if (!isWrong) openedWith.set(mark, one.uuid)
      const path = `/locks/${lockId}/open-with-pin`
      return { op: "OpenWithPin", lockId, path, body: { pin }, caller: user(mark, FOREVER), mark }
    },
    details: (_, lockId) => ({
      op: "details",
      lockId,
      path: `/locks/${lockId}/details`,
      method: "GET",
      caller: superKey
    })
  }
  const weights = Object.entries(shares).flatMap(([op, share]) => Array.from({ length: share * 2 }, () => op))

  const askOnce = async (wish: Wish, url: string, key: string | undefined, patience: number): Promise<Try> => {
    const { path, method = "POST", body, caller } = wish
    const begun = performance.now()
    const answer = await fetch(url + path, {
      method,
      headers: {
        ...caller,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key !== undefined && { "idempotency-key": key })
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(patience)
    })
      .then(async (response) => ({ status: response.status, body: JSON.parse(await response.text()) as Told }))
      .catch(() => undefined)
    const asked = { url, begun, ended: performance.now(), answer }
    if (answer !== undefined && answer.status < 300) {
      if (method !== "GET") answered++
      wish.onSuccess?.(answer.body, asked)
    }
    return asked
  }

  const fulfil = async (wish: Wish, chance: Chance) => {
    const tries: Array<Try> = []
    asks.push({ op: wish.op, lockId: wish.lockId, mark: wish.mark, tries })
    const repeats = chance() < 0.6 && wish.method === undefined
    const key = repeats ? `key-${asks.length}` : undefined
    const patience = () => oneOf(chance, [700, 3_000, 15_000]) ?? 0
    /** Of nobody when all of them are gone. */
    const anyUrl = () => oneOf(chance, urls()) ?? "http://127.0.0.1:1"
    if (chance() < 0.15) {
      // Together with questions: what these find must not get into what is decided meanwhile.
      const url = anyUrl()
      const questions = [0, 1, 2, 3].map(() => question(wish.lockId))
      const read = Promise.all(questions.map((one) => askOnce(one, url, undefined, patience())))
      if (chance() < 0.5) await sleep(between(chance, 0, 4))
      tries.push(await askOnce(wish, url, key, patience()))
      for (const [index, one] of (await read).entries()) {
        const { op = "", lockId = 0 } = questions[index] ?? {}
        asks.push({ op, lockId, mark: undefined, tries: [one] })
      }
    } else if (repeats && chance() < 0.4) {
      // The same to all servers at the same time.
      tries.push(...(await Promise.all(urls().map((url) => askOnce(wish, url, key, patience())))))
    } else tries.push(await askOnce(wish, anyUrl(), key, patience()))
    while (repeats && tries.length < 6 && chance() < (tries.some(isAnswered) ? 0.15 : 0.8)) {
      await sleep(between(chance, 0, 200))
      tries.push(await askOnce(wish, anyUrl(), key, patience()))
    }
  }

  return {
    asks,
    bulks,
    locks,
    revoked,
    openedWith,
    maxUses,
    ask: (_, chance) => fulfil(createLock(), chance),
    answered: () => answered,
    rush: (url, chance) => {
      const drawn = () => oneOf(chance, locks) ?? []
      for (const { lockId } of locks.length > MOST_RUSHED ? Array.from({ length: MOST_RUSHED }, drawn).flat() : locks) {
        const op = oneOf(chance, ["AddKey", "OpenLock"])
        const wish = wishes[op ?? ""]?.(chance, lockId)
        if (wish === undefined) continue
        const { mark } = wish
        const tried = askOnce(wish, url, undefined, 15_000)
        rushing.push(tried.then((one) => asks.push({ op: wish.op, lockId: wish.lockId, mark, tries: [one] })))
      }
    },
    rushed: () => Promise.all(rushing),
    run: async (chance, isOver) => {
      while (!isOver()) {
        const lockId = oneOf(chance, locks)?.lockId ?? 1
        const wish = chance() < 0.003 ? createLock() : wishes[oneOf(chance, weights) ?? ""]?.(chance, lockId)
        if (wish !== undefined) await fulfil(wish, chance)
        await sleep(between(chance, 0, 60))
        while (urls().length === 0) await sleep(50)
      }
    }
  }
}

const question = (lockId: number): Wish => ({
  op: "details",
  lockId,
  path: `/locks/${lockId}/details`,
  method: "GET",
  caller: superKey
})

const command = (
  op: string,
  lockId: number,
  body: unknown,
  caller: Wish["caller"],
  more: Pick<Wish, "mark" | "onSuccess"> = {}
): Wish => ({ op, lockId, path: `/locks/${lockId}/${op}`, body, caller, ...more })

const isAnswered = ({ answer }: Try): boolean => answer !== undefined && answer.status < 500
