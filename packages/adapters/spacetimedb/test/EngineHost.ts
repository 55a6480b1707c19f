/** SpacetimeDB's engine as the tests want a host: with tokens for anybody, and a proxy in front that breaks connections. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Engine, publish } from "@latchkey/spacetimedb-engine"
import { FaultProxy, type Interruption, type TokenRequest } from "@latchkey/spacetimedb-testhost"
import { importPKCS8, SignJWT } from "jose"
import type { Host } from "./fixture.ts"

export class EngineHost implements Host {
  readonly #engine: Engine
  readonly #proxy: FaultProxy

  private constructor(engine: Engine, proxy: FaultProxy) {
    this.#engine = engine
    this.#proxy = proxy
  }

  static async start(binary: string): Promise<EngineHost> {
    const engine = await Engine.startAnew(binary)
    return new EngineHost(engine, await FaultProxy.start(engine.uri))
  }

  get uri(): string {
    return this.#proxy.uri
  }

  /** The engine takes what its own key has signed, for any issuer. */
  async token({ subject, issuer = "localhost", audience }: TokenRequest): Promise<string> {
    const key = await importPKCS8(readFileSync(join(this.#engine.folder, "keys", "private.pem"), "utf8"), "ES256")
    const token = new SignJWT({}).setProtectedHeader({ alg: "ES256", typ: "JWT" }).setSubject(subject).setIssuer(issuer)
    if (audience !== undefined) token.setAudience(typeof audience === "string" ? audience : [...audience])
    return token.setIssuedAt().sign(key)
  }

  async publish(database: string, module: string, { owner: token }: { readonly owner: string }): Promise<void> {
    const { ok, text } = await publish({ uri: this.#engine.uri, database, token }, module)
    if (!ok) throw new Error(text)
  }

  interrupt(interruption: Interruption): Promise<void> {
    return this.#proxy.interrupt(interruption)
  }

  disconnectAll(): number {
    return this.#proxy.disconnectAll()
  }

  down(): Promise<void> {
    return this.#proxy.down()
  }

  up(): Promise<void> {
    return this.#proxy.up()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.down()
    await this.#engine[Symbol.asyncDispose]()
  }
}
