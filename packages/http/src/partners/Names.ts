/**
 * Looks up names that strangers chose. It asks name servers directly: Node runs only two `getaddrinfo` calls at a time, so a
 * few names whose servers never answer would delay every other lookup of the process, the database's included.
 */
import { Resolver } from "node:dns/promises"
import { readFile } from "node:fs/promises"

const HOSTS = "/etc/hosts"
/** How long a name server is waited for, in milliseconds, and how often all of them are asked. */
const PATIENCE = { timeout: 2_000, tries: 2 }
/** Errors of a name server that mean: the name does not exist, or has no address of this family. */
const MISSING: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA", "EBADNAME"])

/**
 * Every address of a name, IPv4 first; an empty list if the name does not exist. Rejects with the code `EAI_AGAIN` if no name
 * server answers.
 *
 * @param servers name servers to ask, such as `192.0.2.1:53`; those of the system unless given
 * @param hosts a file in the format of hosts(5), which is read first
 */
export const addressesOf = async (
  name: string,
  { servers, hosts = HOSTS }: { readonly servers?: ReadonlyArray<string>; readonly hosts?: string } = {}
): Promise<ReadonlyArray<string>> => {
  const plain = name.replace(/\.$/, "").toLowerCase()
  // RFC 6761, section 6.3.
  if (/(^|\.)localhost$/.test(plain)) return ["127.0.0.1", "::1"]
  const listed = listedIn(await readFile(hosts, "utf8").catch(() => ""), plain)
  if (listed.length > 0) return listed
  // A new resolver each time, because it reads the system's list of servers only once.
  const resolver = new Resolver(PATIENCE)
  if (servers !== undefined) resolver.setServers(servers)
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []))
  const isUnknown = answers.some((answer) => answer.status === "rejected" && !MISSING.has(answer.reason.code))
  if (addresses.length === 0 && isUnknown)
    throw Object.assign(new Error("No name server answered"), { code: "EAI_AGAIN" })
  return addresses
}

/** The addresses that a hosts file gives for a name: each line is an address and its names. */
const listedIn = (file: string, name: string): ReadonlyArray<string> =>
  file.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/)
    return names.includes(name) ? [address] : []
  })
