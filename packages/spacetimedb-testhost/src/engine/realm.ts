/**
 * The realm in which a module runs: the language and nothing of Node. As on the server, there are `TextEncoder` and
 * `TextDecoder` (UTF-8), and `Math.random` throws.
 */
import { createContext, runInContext } from "node:vm"

export function createRealm(): object {
  const realm = createContext({}, { name: "spacetimedb module" })
  const install = runInContext(BUILTINS, realm) as (host: object) => void
  const decoders = {
    strict: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }),
    lossy: new TextDecoder("utf-8", { ignoreBOM: true })
  }
  install({
    byteLength: (text: string) => Buffer.byteLength(text),
    write: (text: string, into: Uint8Array) => Buffer.from(into.buffer, into.byteOffset, into.length).write(text),
    read: (bytes: Uint8Array, fatal: boolean) => {
      try {
        return decoders[fatal ? "strict" : "lossy"].decode(bytes)
      } catch {
        return undefined
      }
    }
  })
  return realm
}

// Evaluated in the realm, so that nothing that a module can reach was made outside of it.
const BUILTINS = `(host) => {
  "use strict"
  const { byteLength, write, read } = host
  const utf8 = (label) => {
    if (!/^(unicode-1-1-)?utf-?8$/i.test(String(label).trim())) throw new RangeError("Only UTF-8 is supported, not " + label)
    return "utf-8"
  }
  globalThis.TextEncoder = class TextEncoder {
    get encoding() { return "utf-8" }
    encode(text = "") {
      text = String(text)
      const bytes = new Uint8Array(byteLength(text))
      write(text, bytes)
      return bytes
    }
  }
  globalThis.TextDecoder = class TextDecoder {
    #fatal
    #ignoreBOM
    #encoding
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      this.#encoding = utf8(label)
      this.#fatal = Boolean(fatal)
      this.#ignoreBOM = Boolean(ignoreBOM)
    }
    get encoding() { return this.#encoding }
    get fatal() { return this.#fatal }
    get ignoreBOM() { return this.#ignoreBOM }
    decode(bytes = new Uint8Array()) {
      const text = read(bytes, this.#fatal)
      if (text === undefined) throw new TypeError("The encoded data is not valid")
      return !this.#ignoreBOM && text.startsWith("\\ufeff") ? text.slice(1) : text
    }
  }
  Object.defineProperty(Math, "random", {
    enumerable: false,
    configurable: true,
    get() { throw new TypeError("Math.random is not available in SpacetimeDB modules. Use ctx.random instead.") }
  })
}`
