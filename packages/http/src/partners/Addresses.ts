/** Which addresses events may be sent to: public ones, in whatever spelling, and networks that the operator allows. Pure. */
import { isIP } from "node:net"
import ipaddr from "ipaddr.js"

type Address = ReturnType<typeof ipaddr.parse>
type Network = readonly [Address, number]

/** Networks that the operator allows although they are not public. */
export type Networks = ReadonlyArray<Network>

/** Networks such as `10.0.0.0/8` or `fd00::/8`, separated by commas; `undefined` when one of them is none. */
export const parseNetworks = (text: string): Networks | undefined => {
  const networks = text.split(",").map((part) => networkOf(part.trim()))
  const known = networks.filter((network) => network !== undefined)
  return known.length === networks.length ? known : undefined
}

const networkOf = (text: string): Network | undefined => {
  try {
    const [address = "", bits] = text.split("/")
    if (isIP(address) === 0) return undefined
    return bits === undefined ? [ipaddr.parse(address), isIP(address) === 4 ? 32 : 128] : ipaddr.parseCIDR(text)
  } catch {
    return undefined
  }
}

/** This machine alone. */
export const LOOPBACK: Networks = [
  [ipaddr.parse("127.0.0.0"), 8],
  [ipaddr.parse("::1"), 128]
]

/** Addresses that are given to hosts of the world at all: what is beyond is reserved, however it is called. */
const GLOBAL: Network = [ipaddr.parse("2000::"), 3]

/** IPv6 networks in which an IPv4 address is reached: where in the address that one stands, in bytes. */
const CARRIERS: ReadonlyArray<readonly [Network, number]> = [
  [[ipaddr.parse("::ffff:0:0"), 96], 12],
  [[ipaddr.parse("64:ff9b::"), 96], 12],
  [[ipaddr.parse("2002::"), 16], 2]
]

/** Whether events may be sent to an address; not when it is none. */
export const mayReach = (address: string, allowed: Networks): boolean => {
  if (isIP(address) === 0 || address.includes("%")) return false
  return reaches(ipaddr.parse(address), allowed)
}

const reaches = (address: Address, allowed: Networks): boolean => {
  if (allowed.some((network) => isIn(address, network))) return true
  if (address.kind() === "ipv4") return address.range() === "unicast"
  for (const [network, at] of CARRIERS) {
    if (!isIn(address, network)) continue
    const inner = ipaddr.fromByteArray(address.toByteArray().slice(at, at + 4))
    return reaches(inner, allowed)
  }
  return isIn(address, GLOBAL) && address.range() === "unicast"
}

const isIn = (address: Address, [network, bits]: Network): boolean =>
  address.kind() === network.kind() && address.match(network, bits)
