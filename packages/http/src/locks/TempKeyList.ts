/** The answer of `temp-keys`, put together from the JSON of single keys, each of which is written down once; and kept with the list. */
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
  const last = lastAnswered.get(tempKeys)
  if (last !== undefined && last.lock === lock && last.hasOthers === hasOthers) return last.answer
  const others = hasOthers ? `"/temp-keys?lockId=${lock.lockId}"` : "null"
  const more = `"more":${nextCursor !== undefined},"nextCursor":${JSON.stringify(nextCursor ?? null)}`
  const body = `{"tempKeys":[${tempKeys.map((key) => jsonOf(lock, key)).join(",")}],"severalDoors":${others},${more}}`
  const answer = {
    status: 200,
    contentType: "application/json",
    headers: { etag: tagOf(lock.version) },
    body: tempKeys.length < LONG ? body : Buffer.from(body)
  }
  if (nextCursor === undefined) lastAnswered.set(tempKeys, { lock, hasOthers, answer })
  return answer
}

/** Of so many keys the answer is kept as bytes: to encode it takes longer than to send it. */
const LONG = 100
/** By the list, which is the same one for as long as nothing of it has changed. */
const lastAnswered = new WeakMap<
  ReadonlyArray<TempKeyNow>,
  { readonly lock: Lock; readonly hasOthers: boolean; readonly answer: Answer }
>()

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
