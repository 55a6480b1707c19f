/** Listens on a free port, and tells the parent which. */
import type { AddressInfo, Server } from "node:net"

export const announce = (server: Server): void => {
  server.listen(0, "127.0.0.1", () => tellPort((server.address() as AddressInfo).port))
}

/** For a server that listens already. */
export const tellPort = (port: number): void => {
  process.send?.(port)
  process.on("disconnect", () => process.exit())
}
