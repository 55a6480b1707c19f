/** The same with the client of Hey API. */
import { client } from "./hey-api/client.gen.ts"
import { createLock, getLockDetails, listLockEvents, openLock } from "./hey-api/sdk.gen.ts"

const { BASE_URL = "", API_KEY = "" } = process.env
client.setConfig({ baseUrl: BASE_URL, auth: ({ name }) => (name === "X-API-Key" ? API_KEY : undefined) })

const path = { id: 73 }
const created = await createLock({
  path,
  body: { index: 1, uuid: crypto.randomUUID(), ownerId: "ann", keys: [] },
  throwOnError: true
})
const opened = await openLock({
  path,
  headers: { "idempotency-key": "opening-73" },
  body: { reason: "parcel" },
  throwOnError: true
})

const types: Array<string> = []
for (let cursor: string | undefined, isMore = true; isMore; ) {
  const query = { limit: 1, ...(cursor !== undefined && { cursor }) }
  const { data } = await listLockEvents({ path, query, throwOnError: true })
  types.push(...data.events.map(({ type }) => type))
  cursor = data.nextCursor ?? undefined
  isMore = cursor !== undefined
}

const { data, error, response } = await getLockDetails({ path: { id: 74 } })

console.log(
  JSON.stringify({
    created: created.data.event?.type,
    offline: opened.data.offline,
    types,
    refused: [data === undefined, response?.status, error?.error]
  })
)
