/** Keys of records as they are stored: UTF-16, highest byte first, so that bytes sort as code units do. */

export const toBytes = (key: string): Buffer => Buffer.from(key, "utf16le").swap16()

export const toHex = (key: string): string => toBytes(key).toString("hex")

export const fromHex = (hex: string): string => Buffer.from(hex, "hex").swap16().toString("utf16le")

/** More than any key that starts so, and no more than the keys that come after those. No text begins with two bytes 0xFF. */
export const afterAll = (prefix: string): Buffer => {
  const end = toBytes(prefix)
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at] ?? 0
    if (byte < 0xff) {
      end[at] = byte + 1
      return end.subarray(0, at + 1)
    }
  }
  return Buffer.alloc(1_000, 0xff)
}
