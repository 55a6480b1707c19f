/** Server keys for tests. */
import { createHmac } from "node:crypto"
import type { PinKey } from "../src/temp-key/Pins.ts"

export const pinKeyOf = (secret: string): PinKey => {
  const digest = (text: string) => createHmac("sha256", secret).update(text).digest("hex")
  return { id: digest("id").slice(0, 8), digest }
}
