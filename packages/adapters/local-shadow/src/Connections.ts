/**
 * How many connections a port takes, in all and from one address. When there is no room, the oldest one that waits (it has
 * not said yet who it is, or asks nothing) makes room for the new one: opening many and saying nothing keeps nobody out.
 */
import { isIPv6, type Socket } from "node:net"

export interface ConnectionLimits {
  readonly total: number
  /** From one IPv4 address, or one IPv6 network of 64 bits. */
  readonly perAddress: number
}

export interface Connections {
  /** Takes it, as one that waits, or closes it and answers `false`. */
  readonly take: (socket: Socket) => boolean
  readonly waits: (socket: Socket, waits: boolean) => void
  readonly closeAll: () => void
}

interface Group {
  readonly all: Set<Socket>
  /** The oldest first. */
  readonly waiting: Set<Socket>
}

export const connections = ({ total, perAddress }: ConnectionLimits): Connections => {
  const everybody: Group = { all: new Set(), waiting: new Set() }
  const byAddress = new Map<string, Group>()
  const groupsOf = new WeakMap<Socket, ReadonlyArray<Group>>()

  /** Whether there is room in the group, or one that waited has made some. */
  const hasRoom = ({ all, waiting }: Group, limit: number): boolean => {
    if (all.size < limit) return true
    const [oldest] = waiting
    if (oldest !== undefined) leave(oldest)
    return oldest !== undefined
  }

  const leave = (socket: Socket) => {
    socket.destroy()
    for (const { all, waiting } of groupsOf.get(socket) ?? []) {
      all.delete(socket)
      waiting.delete(socket)
    }
  }

  return {
    take: (socket) => {
      const address = addressOf(socket)
      const own = byAddress.get(address) ?? { all: new Set(), waiting: new Set() }
      if (!hasRoom(own, perAddress) || !hasRoom(everybody, total)) {
        socket.destroy()
        return false
      }
      byAddress.set(address, own)
      groupsOf.set(socket, [own, everybody])
      for (const { all, waiting } of [own, everybody]) {
        all.add(socket)
        waiting.add(socket)
      }
      socket.once("close", () => {
        leave(socket)
        if (own.all.size === 0) byAddress.delete(address)
      })
      return true
    },
    waits: (socket, waits) => {
      for (const { all, waiting } of groupsOf.get(socket) ?? []) {
        waiting.delete(socket)
        if (waits && all.has(socket)) waiting.add(socket)
      }
    },
    closeAll: () => {
      for (const socket of everybody.all) socket.destroy()
    }
  }
}

/**
 * What a port takes unless it is told otherwise: a share of the files that the process may have open, so that there are
 * always some for everything else; half of that from one address.
 */
export const limitsOf = (share: number, most: number, given: Partial<ConnectionLimits> = {}): ConnectionLimits => {
  const total = given.total ?? Math.max(1, Math.min(most, Math.floor(openFiles() * share)))
  return { total, perAddress: given.perAddress ?? Math.max(1, Math.floor(total / 2)) }
}

/** `ulimit -n`; where the system has no such limit, no number is. */
const openFiles = (): number => {
  // Otherwise it looks up the names of everybody who is connected.
  Object.assign(process.report, { excludeNetwork: true })
  const report: { readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } } } =
    process.report.getReport()
  const limit = Number(report.userLimits?.open_files?.soft)
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit
}

/** Whom a connection is from, as far as that tells strangers apart: a household has 2^64 addresses of IPv6. */
export const addressOf = ({ remoteAddress = "" }: Socket): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)?.[1]
  if (mapped !== undefined || !isIPv6(remoteAddress)) return mapped ?? remoteAddress
  const [head = "", tail = ""] = (remoteAddress.split("%")[0] ?? "").split("::")
  const [left, right] = [head, tail].map((part) => (part === "" ? [] : part.split(":")))
  const zeros = Array<string>(Math.max(0, 8 - (left?.length ?? 0) - (right?.length ?? 0))).fill("0")
  return [...(left ?? []), ...zeros, ...(right ?? [])].slice(0, 4).join(":")
}
