/** PINs of shared credentials: how they are drawn, and what is kept of them. Pure; the server's key comes with the question. */
import type { Pin } from "./SharedCredential.ts"

/** A secret of the server, as a keyed function. */
export interface PinKey {
  /** Names the key without telling anything of it. */
  readonly id: string
  /** 256 bits as 64 hexadecimal digits: always the same for a text, and random to everybody who has not the key (HMAC-SHA-256, RFC 2104). */
  readonly digest: (text: string) => string
}

/**
 * Digits of a PIN: as many as the contract allows. A hundred million PINs are what lets the limits on guesses
 * (`PinAttempts.ts`) be so mild that no guest stays locked out.
 */
export const PIN_LENGTH = 8

/** The PIN that the key leads to from a credential's uuid: the first draw that is free is its PIN. */
export const drawPin = (key: PinKey, uuid: string, draw: number): string =>
  // Of 2^256 values, so no PIN is likelier than another by more than one in 10^68.
  (BigInt(`0x${key.digest(`pin\n${uuid}\n${draw}`)}`) % 10n ** BigInt(PIN_LENGTH)).toString().padStart(PIN_LENGTH, "0")

/** What is kept of a PIN at a lock. Nobody gets from it to the PIN, or from one lock's to another's, without the key. */
export const hashPin = (key: PinKey, lockId: number, pin: string): string => key.digest(`hash\n${lockId}\n${pin}`)

/** All that is kept of a drawn PIN that opens these locks. */
export const pinFor = (key: PinKey, uuid: string, draw: number, lockIds: ReadonlyArray<number>): Pin => {
  const pin = drawPin(key, uuid, draw)
  return { keyId: key.id, draw, hashes: lockIds.map((lockId) => ({ lockId, hash: hashPin(key, lockId, pin) })) }
}
