/** A program with the types of openapi-typescript: creates a lock, opens it, pages through its history, and is refused. */
import createClient from "openapi-fetch"
import type { paths } from "./openapi-typescript/api.ts"

const { BASE_URL = "", API_KEY = "" } = process.env
const api = createClient<paths>({ baseUrl: BASE_URL, headers: { "X-API-Key": API_KEY } })

const path = { id: 71 }
const created = await api.POST("/locks/{id}/CreateLock", {
  params: { path },
  body: { index: 1, uuid: crypto.randomUUID(), ownerId: "ann", keys: [] }
})
const opened = await api.POST("/locks/{id}/OpenLock", {
  params: { path, header: { "idempotency-key": "opening-71" } },
  body: { reason: "parcel" }
})

const types: Array<string> = []
for (let cursor: string | undefined, isMore = true; isMore; ) {
  const query = { limit: 1, ...(cursor !== undefined && { cursor }) }
  const { data } = await api.GET("/locks/{id}/events", { params: { path, query } })
  types.push(...(data?.events.map(({ type }) => type) ?? []))
  cursor = data?.nextCursor ?? undefined
  isMore = cursor !== undefined
}

const { data, error, response } = await api.GET("/locks/{id}/details", { params: { path: { id: 72 } } })

console.log(
  JSON.stringify({
    created: created.data?.event?.type,
    offline: opened.data?.offline,
    types,
    refused: [data === undefined, response.status, error?.error]
  })
)
