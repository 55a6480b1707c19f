/** What the endpoints of keys to several doors do. */
import { randomUUID } from "node:crypto"
import { type Shared, SharedCredentials, SharedDoors, summaryOf } from "@latchkey/core"
import { Effect } from "effect"
import type { Api } from "../api/Api.ts"
import { PinSecret } from "../auth/PinSecret.ts"
import { pathOfKey } from "../guests/GuestSession.ts"
import { networksOf } from "../server/CallerAddress.ts"
import type { Handlers } from "../server/Routes.ts"

/** @param publicUrl how the API is reached from outside */
export const makeSharedHandlers = Effect.fnUntraced(function* (publicUrl: () => string) {
  const credentials = yield* SharedCredentials
  const doors = yield* SharedDoors
  const key = yield* PinSecret

  const handlers: Pick<Handlers<typeof Api>, "temp-keys" | "pins"> = {
    "temp-keys": {
      share: ({ payload, call: { headers: _, address: __, ...context } }) =>
        // 122 random bits: anyone who has not been given the link does not find it.
        Effect.map(credentials.share({ ...payload, ...context, uuid: randomUUID() }, key), ({ pin, ...shared }) => {
          const { description: _, createdBy: __, createdAt: ___, revokedAt: ____, ...link } = shown(shared, publicUrl())
          return { status: 201, body: { success: true, ...link, pin } }
        }),
      list: ({ query: { lockId }, call }) =>
        Effect.map(credentials.list(call.principal, lockId), (all) => {
          const url = publicUrl()
          return { status: 200, body: { tempKeys: all.map((shared) => shown(shared, url)) } }
        }),
      revoke: ({ params: { uuid }, call }) =>
        Effect.as(credentials.revoke(call, uuid), { status: 200, body: { success: true } })
    },
    pins: {
      "open-with-pin": ({ params: { id: lockId }, payload: { pin }, call: { headers, address, ...context } }) => {
        const secret = headers["x-api-key"]
        const apiKey = secret === undefined ? undefined : key.digest(`api key\n${secret}`)
        const request = { ...context, lockId, pin, networks: networksOf(address()), apiKey }
        return Effect.map(doors.openByPin(request, key), ({ online }) => ({
          status: 200,
          body: { success: true, offline: online === false }
        }))
      }
    }
  }
  return handlers
})

const shown = ({ credential, doors }: Shared, publicUrl: string) => ({
  ...summaryOf(credential),
  url: publicUrl + pathOfKey(credential.uuid),
  doors: doors.map(({ lockId, label = null, ...door }) => ({ ...door, lockId: String(lockId), label }))
})
