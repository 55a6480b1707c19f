/** The server that is measured: the real `latchkey serve`, on an empty folder, and the locks it is given. */
import { join } from "node:path"
import { API_KEY, deal, type Generator, post } from "./load.ts"
import { lockIds, newLock, newTempKey } from "./locks.ts"
import { Server } from "./processes.ts"

/** Where the event log and the read model of a server on this folder are. */
export const filesIn = (folder: string) => ({
  log: join(folder, "latchkey.db"),
  readModel: join(folder, "read-model.db")
})

/** Durable, with projection, signed in to by API key. */
export const startLatchkey = (
  folder: string,
  env: { readonly [name: string]: string } = {},
  options: { readonly quiet?: boolean } = {}
): Promise<Server> =>
  Server.startLatchkey({
    ...options,
    env: {
      PORT: "0",
      LATCHKEY_SHADOW_PORT: "off",
      LATCHKEY_MQTT_PORT: "off",
      HOST: "127.0.0.1",
      LATCHKEY_STORE: "sqlite",
      LATCHKEY_DATA: folder,
      LATCHKEY_API_KEYS: `acme:${API_KEY}`,
      // What is measured is the work: one caller asks as much as a thousand would.
      LATCHKEY_BUDGET_ORGANIZATION: "off",
      LATCHKEY_BUDGET_ORGANIZATION_KB: "off",
      LATCHKEY_BUDGET_LINK: "off",
      LATCHKEY_BUDGET_GUESTS: "off",
      ...env
    }
  })

/** The same API on Effect's stock server, over the same stores in another folder. */
export const startStock = (folder: string): Promise<Server> =>
  Server.start(new URL("./children/stockServer.ts", import.meta.url), { args: [folder] })

/** Creates locks `1` to `count`, each with so many temp keys; answers how many events that were. */
export const fillServer = async (
  generator: Generator,
  { port }: Server,
  count: number,
  tempKeys: number
): Promise<number> => {
  const cycles = deal(lockIds(count)).map((ids) =>
    ids.flatMap((id) => [
      post(`/locks/${id}/CreateLock`, newLock(id)),
      ...Array.from({ length: tempKeys }, (_, n) => post(`/locks/${id}/create-temp-key`, newTempKey(id, n)))
    ])
  )
  const { answered } = await generator.ask({ ports: [port], cycles })
  return answered
}
