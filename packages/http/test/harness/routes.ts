/**
 * Every route that the API declares, with a good request for each. A route without one fails the tests that use it.
 * What guests call has tests of its own, in `guests/`, and so have keys to several doors, in `shared/`.
 */
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { OWNER, token } from "./callers.ts"
import { FURNITURE, type FurnishedLock, newUuid, shared, tempKey } from "./locks.ts"

export interface DeclaredRoute {
  /** As the contract names it: `POST /locks/{id}/OpenLock`. */
  readonly name: string
  readonly method: string
  readonly path: string
  /** Statuses of the declared answers. */
  readonly statuses: ReadonlyArray<number>
}

const routesOf = (isMeant: (group: string) => boolean): ReadonlyArray<DeclaredRoute> => {
  const routes: Array<DeclaredRoute> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path }, group, successes, errors }) => {
      if (!isMeant(group.identifier)) return
      const name = `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`
      routes.push({ name, method, path, statuses: [...new Set([...successes.keys(), ...errors.keys()])].sort() })
    }
  })
  return routes
}

export const everyRoute = routesOf(() => true)
export const declaredRoutes = routesOf((group) => !["guests", "temp-keys", "pins"].includes(group))

/** A request that a furnished lock and its organization grant. */
interface GoodRequest {
  readonly path: string
  readonly body?: unknown
}

/** By the contract's name of the route. */
const goodRequests: Readonly<Record<string, (lock: FurnishedLock) => GoodRequest>> = {
  "POST /locks/{id}/CreateLock": on("CreateLock", ({ uuid }) => ({ index: 1, uuid })),
  "POST /locks/{id}/AddKey": on("AddKey", () => ({ keyUuid: "another-key", keyIndexNumber: 2, userId: OWNER })),
  "POST /locks/{id}/RemoveKey": on("RemoveKey", () => ({ keyUuid: FURNITURE.key })),
  "POST /locks/{id}/WriteKey": on("WriteKey", () => ({ keyUuid: FURNITURE.key, keyIndexNumber: FURNITURE.slot })),
  "POST /locks/{id}/BulkAddKeys": on("BulkAddKeys", () => ({ keys: [{ keyUuid: "another-key" }] })),
  "POST /locks/{id}/OpenLock": on("OpenLock", () => ({ requestId: "request-1", reason: "delivery" })),
  "POST /locks/{id}/SetOwner": on("SetOwner", () => ({ userId: newUuid() })),
  "POST /locks/{id}/SetOrganization": on("SetOrganization", () => ({ orgId: "org-3" })),
  "POST /locks/{id}/ChangeLockUuid": on("ChangeLockUuid", () => ({ newUuid: newUuid() })),
  "POST /locks/{id}/AddResident": on("AddResident", () => ({ name: "Bob", email: "bob@example.org" })),
  "POST /locks/{id}/RemoveResident": on("RemoveResident", () => ({ userId: FURNITURE.resident })),
  "POST /locks/{id}/create-temp-key": on("create-temp-key", () =>
    tempKey({ maxUses: 3, description: "for the plumber" })
  ),
  "POST /locks/{id}/update-temp-key": on("update-temp-key", ({ tempKeyUuid }) => ({
    tempKeyUuid,
    maxUses: 5,
    accessMode: "user-whitelist",
    allowedUserIds: [OWNER]
  })),
  "POST /locks/{id}/delete-temp-key": on("delete-temp-key", ({ tempKeyUuid }) => ({ tempKeyUuid })),
  "POST /locks/{id}/use-temp-key": on("use-temp-key", ({ tempKeyUuid }) => ({ tempKeyUuid, userId: OWNER })),
  "GET /locks/{id}/temp-keys": on("temp-keys"),
  "GET /locks/{id}/details": on("details"),
  "GET /locks/{id}/basic-info": on("basic-info"),
  "GET /locks/{id}/residents": on("residents"),
  "GET /locks/{id}/events": on("events?page=1"),
  "GET /locks/{id}/explain": (lock) => ({ path: `${lock.path}/explain?tempKeyUuid=${lock.tempKeyUuid}` }),
  "POST /locks/{id}/simulate-update-temp-key": on("simulate-update-temp-key", ({ tempKeyUuid }) => ({
    tempKeyUuid,
    maxUses: 1
  })),
  "GET /locks/{id}/BulkAddKeys/{instanceId}": on("BulkAddKeys/00000000-0000-7000-8000-000000000000"),
  "GET /users/{id}/owned-locks": () => ({ path: `/users/${OWNER}/owned-locks` }),
  "POST /locks/{id}/open-with-pin": on("open-with-pin", ({ pin }) => ({ pin })),
  "POST /temp-keys": ({ lockId }) => ({ path: "/temp-keys", body: shared(lockId) }),
  "GET /temp-keys": ({ lockId }) => ({ path: `/temp-keys?lockId=${lockId}` }),
  "DELETE /temp-keys/{uuid}": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}` }),
  "POST /temp-keys/{uuid}/doors/{doorId}/open": ({ sharedUuid }) => ({
    path: `/temp-keys/${sharedUuid}/doors/1/open`,
    body: {}
  }),
  "GET /temp-keys/{uuid}": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}` }),
  "POST /temp-keys/{uuid}/open": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/open`, body: {} }),
  "GET /temp-keys/{uuid}/open": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/open` }),
  "GET /temp-keys/{uuid}/doors/{doorId}/open": ({ sharedUuid }) => ({ path: `/temp-keys/${sharedUuid}/doors/1/open` }),
  "GET /temp-keys/{uuid}/sign-in": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/sign-in` }),
  "GET /temp-keys/{uuid}/confirmation": ({ tempKeyUuid }) => ({ path: `/temp-keys/${tempKeyUuid}/confirmation` }),
  "POST /temp-keys/{uuid}/sign-in": ({ tempKeyUuid }) => ({
    path: `/temp-keys/${tempKeyUuid}/sign-in`,
    body: { token: token({ sub: OWNER }) }
  })
}

function on(action: string, bodyFor?: (lock: FurnishedLock) => unknown) {
  return (lock: FurnishedLock): GoodRequest => {
    const path = `${lock.path}/${action}`
    return bodyFor === undefined ? { path } : { path, body: bodyFor(lock) }
  }
}

export const goodRequest = ({ name }: DeclaredRoute, lock: FurnishedLock): GoodRequest => {
  const request = goodRequests[name]
  if (request === undefined) throw new Error(`${name} has no good request: add one to routes.ts`)
  return request(lock)
}
