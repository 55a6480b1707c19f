/** From where a request comes: whose word counts, and what tells strangers apart. */
import type { IncomingMessage } from "node:http"
import { describe, expect, it } from "vitest"
import { callerAddress, noProxies, parseProxies } from "../../src/CallerAddress.ts"

const from = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage
const proxies = parseProxies("10.0.0.0/8, 2001:db8:1::/48,192.0.2.1") ?? noProxies

describe("the address of a caller", () => {
  it.each<[string, string | undefined, string]>([
    ["198.51.100.7", undefined, "198.51.100.7"],
    // Whoever is no trusted proxy says what they like.
    ["198.51.100.7", "203.0.113.9", "198.51.100.7"],
    ["10.1.2.3", "203.0.113.9", "203.0.113.9"],
    ["10.1.2.3", "spoofed, 203.0.113.9, 10.9.9.9", "203.0.113.9"],
    ["10.1.2.3", "203.0.113.9, spoofed", "10.1.2.3"],
    ["10.1.2.3", undefined, "10.1.2.3"],
    ["10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["::ffff:10.1.2.3", "::ffff:203.0.113.9", "203.0.113.9"],
    ["2001:db8:1::5", "2001:db8:2:3:4:5:6:7", "2001:db8:2:3"],
    ["192.0.2.1", " 203.0.113.9 ", "203.0.113.9"]
  ])("%s, forwarded for %s, is %s", (remote, forwarded, address) => {
    expect(callerAddress(from(remote, forwarded), proxies)).toBe(address)
  })

  it.each([
    ["2001:db8:2:3:4:5:6:7", "2001:db8:2:3"],
    ["2001:0DB8:0002:0003::1", "2001:db8:2:3"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"]
  ])("of IPv6 is its network: %s", (remote, address) => {
    expect(callerAddress(from(remote), noProxies)).toBe(address)
  })

  it.each(["", "proxy.example.org", "10.0.0.0/33", "2001:db8::/129", "10.0.0.1,", "10.0.0.0/-1", "10.0.0/8"])(
    "is not taken from what is no list of proxies: '%s'",
    (text) => {
      expect(parseProxies(text)).toBeUndefined()
    }
  )
})
