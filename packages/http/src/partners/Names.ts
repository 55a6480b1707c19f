/**
 * The addresses of names that strangers have chosen. Not as the system finds them (`getaddrinfo`): a process has room for two
 * such questions at a time, and names that nobody answers for would hold up everybody's, that of the database too.
 */
import { Resolver } from "node:dns/promises"
import { readFile } from "node:fs/promises"

const HOSTS = "/etc/hosts"
/** How long a name server is waited for, in milliseconds, and how often all of them are asked. */
const PATIENCE = { timeout: 2_000, tries: 2 }
/** What a name server answers where there is no such name, or nothing of the kind that was asked for. */
const MISSING: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA", "EBADNAME"])

/**
 * All addresses of a name, IPv4 first; none when there is no such name. Fails while that cannot be told.
 *
 * @param servers name servers to ask, such as `192.0.2.1:53`; those of the system unless given
 * @param hosts the file of names that need not be asked for
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
  // A new one each time: it asks the servers that the system has now.
  const resolver = new Resolver(PATIENCE)
  if (servers !== undefined) resolver.setServers(servers)
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []))
  const isUnknown = answers.some((answer) => answer.status === "rejected" && !MISSING.has(answer.reason.code))
  if (addresses.length === 0 && isUnknown)
    throw Object.assign(new Error("No name server says where it is"), { code: "EAI_AGAIN" })
  return addresses
}

/** hosts(5): in each line an address, and the names that it has. */
const listedIn = (file: string, name: string): ReadonlyArray<string> =>
  file.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/)
    return names.includes(name) ? [address] : []
  })
