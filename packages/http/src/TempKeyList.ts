/** The answer of `temp-keys`, put together from the JSON of single keys, each of which is written down once. */
import { instantOf, type Lock, type TempKeyNow } from "@latchkey/core"
import { Schema } from "effect"
import type { Answer } from "./Answer.ts"
import { ListedTempKey } from "./Api.ts"

export const tempKeyList = (lock: Lock, tempKeys: ReadonlyArray<TempKeyNow>): Answer => ({
  status: 200,
  contentType: "application/json",
  body: `{"tempKeys":[${tempKeys.map((key) => jsonOf(lock, key)).join(",")}]}`
})

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
