/**
 * Tokens and the identities they stand for. The host signs with a key of its own (ES256) and believes whatever it signed,
 * for any issuer: it stands in for the OpenID providers that a server would ask.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { type CryptoKey, exportSPKI, generateKeyPair, jwtVerify, SignJWT } from "jose"

export interface TokenRequest {
  /** Who the token is about; with the issuer it makes the identity. */
  readonly subject: string
  /** `localhost` unless told, as on a server that is run locally. */
  readonly issuer?: string
  readonly audience?: string | ReadonlyArray<string>
  /** Seconds since 1970 after which the token is refused; never unless told. */
  readonly expiresAt?: number
  /** Further claims, for the module to read. */
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface Verified {
  readonly identity: bigint
  /** All claims as JSON. */
  readonly claims: string
}

const LONGEST = 128

export class Tokens {
  readonly publicKey: string
  readonly #key: { readonly publicKey: CryptoKey; readonly privateKey: CryptoKey }

  private constructor(key: { publicKey: CryptoKey; privateKey: CryptoKey }, publicKey: string) {
    this.#key = key
    this.publicKey = publicKey
  }

  static async make(): Promise<Tokens> {
    const key = await generateKeyPair("ES256")
    return new Tokens(key, await exportSPKI(key.publicKey))
  }

  async issue({ subject, issuer = "localhost", audience, expiresAt, claims }: TokenRequest): Promise<string> {
    const identity = identityOf(issuer, subject)
    const token = new SignJWT({ hex_identity: hex(identity), ...claims })
      .setProtectedHeader({ alg: "ES256", typ: "JWT" })
      .setSubject(subject)
      .setIssuer(issuer)
    if (claims === undefined || !("iat" in claims)) token.setIssuedAt()
    if (audience !== undefined) token.setAudience(typeof audience === "string" ? audience : [...audience])
    if (expiresAt !== undefined) token.setExpirationTime(expiresAt)
    return token.sign(this.#key.privateKey)
  }

  /** Who a token stands for; `undefined` when this host did not sign it, it has expired, or does not tell since when it is. */
  async verify(token: string): Promise<Verified | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key.publicKey, {
        algorithms: ["ES256"],
        requiredClaims: ["iat"]
      })
      return { identity: identityOf(payload.iss ?? "", payload.sub ?? ""), claims: JSON.stringify(payload) }
    } catch {
      return undefined
    }
  }
}

/**
 * The identity of a subject, as the server computes it: BLAKE3 of `issuer|subject`, 26 bytes of it behind the prefix
 * `c200` and four bytes of checksum.
 */
export function identityOf(issuer: string, subject: string): bigint {
  for (const [name, value] of Object.entries({ issuer, subject })) {
    if (value === "" || Buffer.byteLength(value) > LONGEST) throw new TypeError(`The ${name} is to have 1 to 128 bytes`)
  }
  const id = blake3(Buffer.from(`${issuer}|${subject}`)).subarray(0, 26)
  const prefix = Uint8Array.of(0xc2, 0x00)
  const checksum = blake3(Buffer.concat([prefix, id])).subarray(0, 4)
  return BigInt(`0x${Buffer.concat([prefix, checksum, id]).toString("hex")}`)
}

/** An identity as 64 hexadecimal digits. */
export const hex = (identity: bigint): string => identity.toString(16).padStart(64, "0")
