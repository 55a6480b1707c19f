/** What the endpoints of temp keys do, whether a key has one door or several. */
import { randomUUID } from "node:crypto"
import {
  instantOf,
  type ManagedKey,
  SharedCredentials,
  SharedDoors,
  TempKeys,
  type TempKeyView,
  viewOfShared
} from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { PinSecret } from "../auth/PinSecret.ts"
import { pathOfKey } from "../guests/GuestSession.ts"
import { networksOf } from "../server/CallerAddress.ts"
import { conditionOf, tagOf } from "../server/Conditions.ts"
import { type Call, contextOf, type Handlers } from "../server/Routes.ts"

/** @param publicUrl how the API is reached from outside */
export const makeSharedHandlers = Effect.fnUntraced(function* (publicUrl: () => string) {
  const credentials = yield* SharedCredentials
  const tempKeys = yield* TempKeys
  const doors = yield* SharedDoors
  const key = yield* PinSecret

  const answered = ({ pin, ...view }: ManagedKey) =>
    ({
      status: 200,
      body: { success: true as const, ...shown(view, publicUrl()), pin },
      headers: { etag: tagOf(view.version) }
    }) as const

  const handlers: Pick<Handlers<typeof Api>, "temp-keys" | "pins"> = {
    "temp-keys": {
      share: ({ payload, call }) => {
        // 122 random bits: anyone who has not been given the link does not find it.
        const uuid = payload.uuid ?? randomUUID()
        return Effect.map(credentials.share({ ...payload, ...contextOf(call), uuid }, key), ({ pin, ...shared }) => {
          const view = shown(viewOfShared(shared, call.at), publicUrl())
          const { description: _, createdBy: __, createdAt: ___, revokedAt: ____, ...link } = view
          return { status: 201, body: { success: true, ...link, pin }, headers: { etag: tagOf(view.version) } }
        })
      },
      list: ({ query, call }) =>
        Effect.map(credentials.list(call.principal, query, call.at), ({ tempKeys, nextCursor }) => {
          const url = publicUrl()
          const listed = tempKeys.map((view) => shown(view, url))
          return {
            status: 200,
            body: { tempKeys: listed, more: nextCursor !== undefined, nextCursor: nextCursor ?? null }
          }
        }),
      change: ({ params: { uuid }, payload, call }) =>
        Effect.map(tempKeys.change(changeOf(call), uuid, payload, key), answered),
      suspend: ({ params: { uuid }, call }) => Effect.map(tempKeys.suspend(changeOf(call), uuid), answered),
      resume: ({ params: { uuid }, call }) => Effect.map(tempKeys.resume(changeOf(call), uuid), answered),
      "new-link": ({ params: { uuid }, payload, call }) =>
        Effect.map(tempKeys.changeLink(changeOf(call), uuid, payload.uuid ?? randomUUID()), answered),
      "reissue-pin": ({ params: { uuid }, call }) =>
        Effect.map(tempKeys.reissuePin(changeOf(call), uuid, key), answered),
      revoke: ({ params: { uuid }, call }) =>
        Effect.as(tempKeys.end(changeOf(call), uuid), { status: 200, body: { success: true } })
    },
    pins: {
      "open-with-pin": ({ params: { id: lockId }, payload: { pin }, call }) => {
        const secret = call.headers["x-api-key"]
        const apiKey = secret === undefined ? undefined : key.digest(`api key\n${secret}`)
        const request = { ...contextOf(call), lockId, pin, networks: networksOf(call.address()), apiKey }
        return Effect.map(doors.openByPin(request, key), ({ online }) => ({
          status: 200,
          body: { success: true, offline: online === false }
        }))
      }
    }
  }
  return handlers
})

const changeOf = (call: Call) => ({ ...contextOf(call), ...conditionOf(call.headers) })

const shown = (
  { doors, nextChangeAt, description, schedule, suspended, showPin, ...view }: TempKeyView,
  publicUrl: string
) => ({
  ...view,
  description: description ?? null,
  schedule: schedule ?? null,
  suspended: suspended === true,
  showPin: showPin === true,
  nextChangeAt: nextChangeAt === undefined ? null : instantOf(nextChangeAt),
  // A caller who may not know the link is shown the id in its place, which opens nothing.
  url: view.uuid === view.id ? "" : publicUrl + pathOfKey(view.uuid),
  doors: doors.map(({ lockId, label, ...door }) => ({ ...door, lockId: String(lockId), label: label ?? null }))
})
