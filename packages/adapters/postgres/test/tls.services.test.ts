/** TLS by the URL, against a PostgreSQL with an authority of its own that takes nothing without. */
import { execFileSync } from "node:child_process"
import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EventStore } from "@latchkey/core"
import { Postgres } from "@latchkey/postgres"
import { Effect } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type Cluster, makeCluster } from "./cluster.ts"

let cluster: Cluster
beforeAll(async () => {
  cluster = await makeCluster()
  const at = (name: string) => join(cluster.folder, name)
  const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "ignore" })
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const authority = (name: string) =>
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.crt`),
      "-days",
      "2",
      "-subj",
      `/CN=${name}`
    )
  const certified = (name: string, commonName: string) => {
    openssl("req", ...newKey, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`), "-subj", `/CN=${commonName}`)
    writeFileSync(at(`${name}.ext`), "subjectAltName=DNS:localhost\n")
    const by = ["-CA", at("authority.crt"), "-CAkey", at("authority.key"), "-CAcreateserial"]
    openssl(
      "x509",
      "-req",
      "-in",
      at(`${name}.csr`),
      ...by,
      "-out",
      at(`${name}.crt`),
      "-days",
      "2",
      "-extfile",
      at(`${name}.ext`)
    )
    chmodSync(at(`${name}.key`), 0o600)
  }
  authority("authority")
  authority("stranger")
  certified("server", "localhost")
  certified("client", "latchkey")
  for (const name of ["authority.crt", "server.crt", "server.key"]) cluster.give(at(name), name)
  cluster.configure("postgresql.conf", [
    "ssl = on",
    "ssl_cert_file = 'server.crt'",
    "ssl_key_file = 'server.key'",
    "ssl_ca_file = 'authority.crt'"
  ])
  cluster.configure("pg_hba.conf", [
    "hostssl postgres latchkey 127.0.0.1/32 trust",
    "hostssl template1 latchkey 127.0.0.1/32 cert",
    "hostnossl all all 127.0.0.1/32 reject"
  ])
  cluster.start()
})
afterAll(() => cluster[Symbol.dispose]())

/** `opened`, or why not. */
const opened = (place: string, query: Readonly<Record<string, string>>): Promise<string> => {
  const named = (name: string, value: string) =>
    /^ssl(rootcert|cert|key)$/.test(name) ? join(cluster.folder, value) : value
  const files = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, named(name, value)]))
  const url = `postgres://latchkey:hunter2@${place.replace("/", `:${cluster.port}/`)}?${new URLSearchParams(files)}`
  return Effect.runPromise(
    Effect.flatMap(EventStore, ({ head }) => head).pipe(
      Effect.provide(Postgres.layer({ url })),
      Effect.match({ onSuccess: () => "opened", onFailure: ({ message }) => message })
    )
  )
}
const authority = { sslmode: "verify-full", sslrootcert: "authority.crt" }

it("is used when the URL says so, with an authority that it names, and a certificate of one's own", async () => {
  expect(await opened("localhost/postgres", authority)).toBe("opened")
  expect(await opened("localhost/template1", { ...authority, sslcert: "client.crt", sslkey: "client.key" })).toBe(
    "opened"
  )
  expect(await opened("localhost/template1", authority)).toMatch(/certificate/)
})

it("is not done without, nor with a server that only answers there; what to mend is said without the password", async () => {
  const refusals = {
    none: await opened("localhost/postgres", {}),
    unknown: await opened("localhost/postgres", { sslmode: "verify-full" }),
    required: await opened("localhost/postgres", { sslmode: "require" }),
    stranger: await opened("localhost/postgres", { ...authority, sslrootcert: "stranger.crt" }),
    otherName: await opened("127.0.0.1/postgres", authority)
  }
  expect(refusals).toEqual({
    none: expect.stringMatching(/no encryption.*sslmode/),
    unknown: expect.stringContaining("name its authority by sslrootcert in its URL"),
    required: expect.stringContaining("name its authority by sslrootcert in its URL"),
    stranger: expect.stringContaining("name its authority by sslrootcert in its URL"),
    otherName: expect.stringContaining("name it in its URL as its certificate does")
  })
  expect(JSON.stringify(refusals)).not.toContain("hunter2")
})
