/** PINs: what is drawn, and what is kept of them. */
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { drawPin, hashPin, pinFor } from "../src/temp-key/Pins.ts"
import { pinKeyOf } from "./pinKey.ts"
import { uuidOf } from "./shared.ts"

const key = pinKeyOf("the server's key")
const Pin = Schema.String.check(Schema.isPattern(/^[0-9]{8}$/))
const LockNumber = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const Secret = Schema.String.check(Schema.isMinLength(1))

describe("a PIN", () => {
  it("has eight digits, each as likely as any other", () => {
    const pins = Array.from({ length: 5000 }, (_, n) => drawPin(key, uuidOf(n), 0))
    for (const pin of pins) expect(pin).toMatch(/^[0-9]{8}$/)
    expect(new Set(pins).size).toBeGreaterThan(4995)
    for (let place = 0; place < 8; place++) {
      for (const digit of "0123456789") {
        const share = pins.filter((pin) => pin[place] === digit).length / pins.length
        expect(share).toBeGreaterThan(0.08)
        expect(share).toBeLessThan(0.12)
      }
    }
  })

  it("is another one for another credential, another draw and another key", () => {
    const drawn = [
      drawPin(key, uuidOf(1), 0),
      drawPin(key, uuidOf(1), 1),
      drawPin(key, uuidOf(2), 0),
      drawPin(pinKeyOf("another"), uuidOf(1), 0)
    ]
    expect(new Set(drawn).size).toBe(4)
    expect(drawPin(key, uuidOf(1), 0)).toBe(drawn[0])
  })

  it.prop(
    "leaves a hash that is its own at each lock and under each key",
    [Pin, Pin, LockNumber, LockNumber, Secret],
    ([one, two, here, there, secret]) => {
      const hash = hashPin(key, here, one)
      expect(hash).toMatch(/^[0-9a-f]{64}$/)
      expect(hash).not.toContain(one)
      expect(hash === hashPin(key, here, two)).toBe(one === two)
      expect(hash === hashPin(key, there, one)).toBe(here === there)
      expect(hash === hashPin(pinKeyOf(secret), here, one)).toBe(secret === "the server's key")
    }
  )

  it("leaves nothing by which it could be found without the key: each bit of a hash is as often 0 as 1", () => {
    const hashes = Array.from({ length: 2000 }, (_, n) => BigInt(`0x${hashPin(key, 7, String(n).padStart(8, "0"))}`))
    for (let bit = 0n; bit < 256n; bit++) {
      const ones = hashes.filter((hash) => ((hash >> bit) & 1n) === 1n).length
      expect(Math.abs(ones - 1000)).toBeLessThan(150)
    }
  })

  it("is kept as one hash a lock, and as nothing else", () => {
    const kept = pinFor(key, uuidOf(1), 0, [7, 8])
    const pin = drawPin(key, uuidOf(1), 0)
    expect(kept).toEqual({
      keyId: key.id,
      draw: 0,
      hashes: [7, 8].map((lockId) => ({ lockId, hash: hashPin(key, lockId, pin) }))
    })
    expect(JSON.stringify(kept)).not.toContain(pin)
  })
})
