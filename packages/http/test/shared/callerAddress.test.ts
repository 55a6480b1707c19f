/** From where a request comes: whose word counts, and what tells strangers apart. */
import { once } from "node:events"
import { createServer, get, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "vitest"
import { callerAddress, networksOf, noProxies, parseProxies } from "../../src/server/CallerAddress.ts"

const from = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { "x-forwarded-for": forwarded } }) as unknown as IncomingMessage
const proxies = parseProxies("10.0.0.0/8, 2001:db8:1::/48,192.0.2.1,::1") ?? expect.fail("no proxies")

describe("the address of a caller", () => {
  it.each<[string, string | undefined, string]>([
    ["198.51.100.7", undefined, "198.51.100.7"],
    // Whoever is no trusted proxy says what they like.
    ["198.51.100.7", "203.0.113.9", "198.51.100.7"],
    ["10.1.2.3", "203.0.113.9", "203.0.113.9"],
    ["10.1.2.3", "spoofed, 203.0.113.9, 192.0.2.1", "203.0.113.9"],
    ["10.1.2.3", undefined, "10.1.2.3"],
    ["10.1.2.3", "", "10.1.2.3"],
    ["192.0.2.1", "192.0.2.1, ::1", "192.0.2.1"],
    ["192.0.2.1", " 203.0.113.9 ", "203.0.113.9"],
    // As IPv4 and IPv6 write the same.
    ["::ffff:10.1.2.3", "::ffff:203.0.113.9", "203.0.113.9"],
    ["::ffff:198.51.100.7", undefined, "198.51.100.7"],
    ["::ffff:c633:6407", undefined, "198.51.100.7"],
    ["::1", "203.0.113.9, ::ffff:192.0.2.1", "203.0.113.9"],
    ["2001:db8:1::5", "2001:0DB8:2:3:4:5:6:07", "2001:db8:2:3:4:5:6:7"],
    ["fe80::1%eth0", undefined, "fe80::1"]
  ])("%s, forwarded for %s, is %s", (remote, forwarded, address) => {
    expect(callerAddress(from(remote, forwarded), proxies)).toBe(address)
  })

  it.each([
    ["192.0.2.1", "203.0.113.1, 10.9.9.9", "10.9.9.9"],
    ["10.1.2.3", "203.0.113.1, 10.9.9.9", "10.9.9.9"],
    ["10.1.2.3", "203.0.113.1, ::ffff:10.9.9.9", "10.9.9.9"],
    ["::1", "203.0.113.1, 2001:db8:1::9", "2001:db8:1::9"],
    ["192.0.2.1", "203.0.113.1, 10.9.9.9, ::1", "10.9.9.9"]
  ])("is its own though it is in a network of proxies: %s, forwarded for %s", (remote, forwarded, address) => {
    expect(callerAddress(from(remote, forwarded), proxies)).toBe(address)
  })

  it.each([
    ["203.0.113.9:567", "203.0.113.9"],
    ["[2001:db8:2::9]:567", "2001:db8:2::9"],
    ["[2001:db8:2::9]", "2001:db8:2::9"],
    ["[::ffff:203.0.113.9]:567", "203.0.113.9"],
    ["spoofed, 203.0.113.9:567, 192.0.2.1:80, [::1]:443", "203.0.113.9"]
  ])("is told with a port: %s", (forwarded, address) => {
    expect(callerAddress(from("192.0.2.1", forwarded), proxies)).toBe(address)
  })

  it.each([
    "unknown",
    "_hidden",
    "client.example.org",
    "203.0.113.999",
    "010.0.0.1",
    "1234",
    "203.0.113.9:x",
    "[::1",
    ""
  ])("is that of the last proxy that said something readable: '%s'", (unreadable) => {
    expect(callerAddress(from("10.1.2.3", `203.0.113.9, ${unreadable}`), proxies)).toBe("10.1.2.3")
    expect(callerAddress(from("10.1.2.3", `203.0.113.9, ${unreadable}, 192.0.2.1`), proxies)).toBe("192.0.2.1")
    expect(callerAddress(from("10.1.2.3", `${unreadable}, 203.0.113.9`), proxies)).toBe("203.0.113.9")
  })

  it("is the last one of several headers", async () => {
    const local = parseProxies("127.0.0.1") ?? noProxies
    const server = createServer((request, response) => response.end(callerAddress(request, local)))
    await once(server.listen(0, "127.0.0.1"), "listening")
    try {
      const { port } = server.address() as AddressInfo
      const headers = { "x-forwarded-for": ["203.0.113.1", "203.0.113.2, 203.0.113.3"] }
      const [response] = await once(get({ port, host: "127.0.0.1", headers }), "response")
      expect(String(await response.toArray())).toBe("203.0.113.3")
    } finally {
      server.close()
    }
  })

  it("of nobody is empty", () => {
    expect(callerAddress({ socket: {}, headers: {} } as IncomingMessage, proxies)).toBe("")
  })
})

describe("the networks of a caller", () => {
  it.each([
    ["2001:db8:1:2ff:4:5:6:7", ["2001:db8:1:2ff::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"]],
    ["2001:db8::1", ["2001:db8::/64", "2001:db8::/56", "2001:db8::/48"]],
    ["::1", ["::/64", "::/56", "::/48"]],
    ["203.0.113.9", ["203.0.113.9"]],
    ["", [""]]
  ])("%s are counted by the narrowest first", (address, networks) => {
    expect(networksOf(address)).toEqual(networks)
  })
})

describe("proxies", () => {
  it.each([
    "",
    "proxy.example.org",
    "loopback",
    "10.0.0.0/33",
    "2001:db8::/129",
    "10.0.0.1,",
    "10.0.0.0/-1",
    "10.0.0/8",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    // Everybody would be a proxy.
    "0.0.0.0/0",
    "::/0",
    "010.0.0.1",
    "10.0.0.1:80"
  ])("are not '%s'", (text) => {
    expect(parseProxies(text)).toBeUndefined()
  })

  it("may be written as IPv6 writes IPv4", () => {
    const mapped = parseProxies("::ffff:10.1.2.3") ?? noProxies
    expect(callerAddress(from("10.1.2.3", "203.0.113.9"), mapped)).toBe("203.0.113.9")
  })
})
