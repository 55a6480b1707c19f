/** The answer of `temp-keys`, put together from the JSON of single keys, each of which is written down once; a long one is kept. */
import { instantOf, type Lock, type TempKeyNow } from "@latchkey/core"
import { Schema } from "effect"
import { ListedTempKey } from "../api/Api.ts"
import type { Answer } from "../server/Answer.ts"
import { tagOf } from "../server/Conditions.ts"

/** @param hasOthers whether keys to several doors have one at the lock: they are listed elsewhere, and the answer says where */
export const tempKeyList = (
  lock: Lock,
  tempKeys: ReadonlyArray<TempKeyNow>,
  hasOthers: boolean,
  nextCursor?: string
): Answer => {
  const last = nextCursor === undefined ? lastAnswered.get(lock) : undefined
  if (last?.hasOthers === hasOthers && areSame(tempKeys, last.tempKeys)) return last.answer
  const others = hasOthers ? `"/temp-keys?lockId=${lock.lockId}"` : "null"
  const more = `"more":${nextCursor !== undefined},"nextCursor":${JSON.stringify(nextCursor ?? null)}`
  const body = `{"tempKeys":[${tempKeys.map((key) => jsonOf(lock, key)).join(",")}],"severalDoors":${others},${more}}`
  const answer = { status: 200, contentType: "application/json", headers: { etag: tagOf(lock.version) } }
  if (nextCursor !== undefined || tempKeys.length < LONG) return { ...answer, body }
  const kept = { ...answer, body: Buffer.from(body) }
  lastAnswered.set(lock, { tempKeys, hasOthers, answer: kept })
  return kept
}

/** So many keys take longer to put together than to compare. */
const LONG = 100
/** By the lock as it was: an event makes another one of it, and time makes other keys. */
const lastAnswered = new WeakMap<
  Lock,
  { readonly tempKeys: ReadonlyArray<TempKeyNow>; readonly hasOthers: boolean; readonly answer: Answer }
>()

const areSame = (keys: ReadonlyArray<TempKeyNow>, others: ReadonlyArray<TempKeyNow>): boolean =>
  keys.length === others.length && keys.every((key, index) => key === others[index])

const jsonOf = (lock: Lock, key: TempKeyNow): string => {
  const written = lastWritten.get(key)
  if (written?.lockUuid === lock.uuid) return written.json
  const { nextChangeAt, ...rest } = key
  const listed = {
    ...rest,
    lockId: lock.lockId,
    lockUuid: lock.uuid,
    ...(key.schedule && { nextChangeAt: nextChangeAt === undefined ? null : instantOf(nextChangeAt) })
  }
  const json = JSON.stringify(encode(listed))
  lastWritten.set(key, { lockUuid: lock.uuid, json })
  return json
}

const encode = Schema.encodeSync(ListedTempKey)
const lastWritten = new WeakMap<TempKeyNow, { readonly lockUuid: string; readonly json: string }>()
