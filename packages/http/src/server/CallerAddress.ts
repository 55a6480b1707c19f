/** From where a request comes, as far as that tells strangers apart. */
import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import ipaddr from "ipaddr.js"
import proxyaddr from "proxy-addr"

/** Proxies that are trusted to name their clients. */
export interface TrustedProxies {
  /** `hop` is 0 for the connection itself, 1 for who is last in `X-Forwarded-For`, and so on, away from the server. */
  readonly includes: (address: string, hop: number) => boolean
}

/**
 * Addresses and networks (`10.0.0.0/24`), separated by commas; `undefined` when one of them is neither. An address names
 * a proxy wherever it stands. A network counts for the connection alone: clients may live in it too, and one that comes
 * through a proxy must not be taken for another proxy, or it could name any address as its own.
 */
export const parseProxies = (text: string): TrustedProxies | undefined => {
  const parts = text.split(",").map((part) => part.trim())
  if (!parts.every(isAddressOrNetwork)) return undefined
  try {
    const nearest = proxyaddr.compile(parts)
    const named = proxyaddr.compile(parts.filter((part) => !part.includes("/")))
    return { includes: (address, hop) => (hop === 0 ? nearest : named)(address, hop) }
  } catch {
    return undefined
  }
}

export const noProxies: TrustedProxies = { includes: () => false }

/**
 * The whole address of the client, as it is usually written: of the connection, or, behind trusted proxies, the last one
 * in `X-Forwarded-For` that none of them is. What a proxy says that is no address leaves the address of that proxy.
 */
export const callerAddress = (
  request: Pick<IncomingMessage, "socket" | "headers">,
  proxies: TrustedProxies
): string => {
  const forwarded = request.headers["x-forwarded-for"]
  const hops = (forwarded === undefined ? [] : String(forwarded).split(",")).map((hop) => addressIn(hop.trim()))
  const readable = hops.slice(hops.lastIndexOf(undefined) + 1).join(",")
  const headers = { "x-forwarded-for": readable }
  // A socket that is gone has no address.
  return plain(proxyaddr(Object.create(request, { headers: { value: headers } }), proxies.includes) ?? "")
}

/**
 * The networks on which to count this caller, the narrowest first. An IPv4 address is one by itself; of IPv6 a device
 * has a /64 at least, a household a /56 and a site a /48 (RFC 6177).
 */
export const networksOf = (address: string): readonly [narrowest: string, ...wider: ReadonlyArray<string>] => {
  const network = (bits: number) => `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/${bits}`)}/${bits}`
  return isIP(address) === 6 ? [network(64), network(56), network(48)] : [address]
}

const isAddressOrNetwork = (text: string): boolean => {
  const [address = "", ...bits] = text.split("/")
  return isIP(address) !== 0 && (bits.length === 0 || ipaddr.isValidCIDR(text))
}

/** The address that a proxy names: `1.2.3.4`, `::1`, or with a port, `1.2.3.4:567` and `[::1]:567`. */
const addressIn = (hop: string): string | undefined => {
  const [, bracketed, bare] = /^(?:\[(.*)\]|([\d.]+))(?::\d+)?$/.exec(hop) ?? []
  return [hop, bracketed, bare].find((address) => address !== undefined && isIP(address) !== 0)
}

/** As addresses are usually written (RFC 5952): one that a socket shows as IPv6 though it is IPv4, as that; without a zone. */
const plain = (address: string): string =>
  isIP(address) === 0 ? address : ipaddr.process(address.replace(/%.*/, "")).toString()
