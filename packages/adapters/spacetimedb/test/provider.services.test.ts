/** A writer with the token of an OpenID provider, as the README's "Who may write" has it; the provider is on loopback. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { EventStore } from "@latchkey/core"
import { Spacetime } from "@latchkey/spacetimedb"
import { create, request, sayIfLeftOut } from "@latchkey/spacetimedb-engine"
import { identityOf } from "@latchkey/spacetimedb-testhost"
import { Effect } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { expect, it, onTestFinished } from "vitest"
import { bundle } from "./fixture.ts"
import { startServer } from "./server.ts"

// A server elsewhere does not reach a provider on this machine.
const uri = process.env["SPACETIMEDB_URI"] ? undefined : await startServer()
sayIfLeftOut("tokens of a provider on SpacetimeDB's engine", uri !== undefined)

it.skipIf(uri === undefined).each(["RS256", "ES256"])(
  "%s: is let in once the owner has allowed it, for that audience",
  async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg)
    const jwk = { ...(await exportJWK(publicKey)), kid: "key", alg, use: "sig" }
    const provider = createServer((request, response) => {
      response.setHeader("content-type", "application/json")
      const isConfiguration = request.url === "/.well-known/openid-configuration"
      response.end(
        JSON.stringify(isConfiguration ? { issuer: issuer(), jwks_uri: `${issuer()}/jwks` } : { keys: [jwk] })
      )
    }).listen(0, "127.0.0.1")
    onTestFinished(() => void provider.close())
    await once(provider, "listening")
    const issuer = () => `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    const tokenFor = (audience: string) =>
      new SignJWT({})
        .setProtectedHeader({ alg, kid: "key" })
        .setIssuer(issuer())
        .setSubject("latchkey-server")
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey)

    const place = await create(uri ?? "", bundle)
    const headFor = async (audience: string) => {
      const open = Spacetime.layer({ ...place, token: await tokenFor(audience), deadline: "20 seconds" })
      return Effect.runPromise(
        Effect.result(
          Effect.provide(
            Effect.flatMap(EventStore, ({ head }) => head),
            open
          )
        )
      )
    }
    const notLetIn = { _tag: "Failure", failure: { _tag: "CannotConnect", option: "token" } }
    expect(await headFor("latchkey")).toMatchObject(notLetIn)
    const identity = `0x${identityOf(issuer(), "latchkey-server").toString(16).padStart(64, "0")}`
    const allowing = JSON.stringify([[identity], issuer(), "latchkey"])
    expect(await request(place, "POST", `/v1/database/${place.database}/call/allow_writer`, allowing)).toMatchObject({
      status: 200
    })
    expect(await headFor("latchkey")).toMatchObject({ _tag: "Success", success: 0 })
    expect(await headFor("another")).toMatchObject(notLetIn)
  }
)
