/** From where a request comes, as far as that tells strangers apart. */
import type { IncomingMessage } from "node:http"
import { BlockList, isIP } from "node:net"

/** Proxies whose word about their clients counts. */
export interface TrustedProxies {
  readonly includes: (address: string) => boolean
}

/** Addresses and networks (`10.0.0.0/8`), separated by commas; `undefined` when one of them is neither. */
export const parseProxies = (text: string): TrustedProxies | undefined => {
  const list = new BlockList()
  for (const part of text.split(",")) {
    const [, address = "", bits] = /^\s*([^/\s]+)(?:\/(\d{1,3}))?\s*$/.exec(part) ?? []
    const version = isIP(address)
    const longest = version === 4 ? 32 : 128
    if (version === 0 || Number(bits ?? longest) > longest) return undefined
    list.addSubnet(address, Number(bits ?? longest), `ipv${version === 4 ? 4 : 6}`)
  }
  return { includes: (address) => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4") }
}

export const noProxies: TrustedProxies = { includes: () => false }

/**
 * The address of the client: of the connection, or, behind trusted proxies, the last one in `X-Forwarded-For` that none
 * of them is. Of IPv6 only the network: a household has 2^64 addresses (RFC 6177).
 */
export const callerAddress = (
  { socket, headers }: Pick<IncomingMessage, "socket" | "headers">,
  proxies: TrustedProxies
): string => {
  const forwarded = headers["x-forwarded-for"]
  const hops = (typeof forwarded === "string" ? forwarded.split(",") : []).map((hop) => plain(hop.trim()))
  let address = plain(socket.remoteAddress ?? "")
  while (proxies.includes(address)) {
    const hop = hops.pop()
    if (hop === undefined || isIP(hop) === 0) break
    address = hop
  }
  return isIP(address) === 6 ? networkOf(address) : address
}

/** An IPv4 address that a socket shows as IPv6 (RFC 4291, section 2.5.5.2). */
const plain = (address: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return mapped ?? address
}

const networkOf = (address: string): string => {
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::")
  const left = head === "" ? [] : head.split(":")
  const right = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")
}
