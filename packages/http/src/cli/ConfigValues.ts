/** The values of configuration variables: each function reads one kind of text, and answers `undefined` for what is none. */
import { createPublicKey, type KeyObject } from "node:crypto"
import { readFileSync } from "node:fs"
import { BrandRequest, type Budget, budget, UNLIMITED } from "@latchkey/core"
import { Schema } from "effect"
import { algorithmsOf } from "../auth/algorithmsOf.ts"
import { SECRET_BYTES } from "../auth/Secrets.ts"
import { isLoopback } from "../server/isLoopback.ts"

export const anyText = (text: string): string => text

export const matching =
  (pattern: RegExp) =>
  (text: string): string | undefined =>
    pattern.test(text) ? text : undefined

export const oneOf =
  <const Values extends ReadonlyArray<string>>(...values: Values) =>
  (text: string): Values[number] | undefined =>
    values.find((value) => value === text)

/** One of ours, or the name or path of a module: npm has no names with capital letters. */
export const storeNamed = (
  text: string
): "sqlite" | "postgres" | "memory" | "spacetimedb" | { readonly package: string } | undefined =>
  oneOf("sqlite", "postgres", "memory", "spacetimedb")(text) ??
  (/^(\.{0,2}\/.*\S|(@[a-z0-9._~-]+\/)?[a-z0-9~-][a-z0-9._~-]*(\/[\w./-]+)?)$/.test(text)
    ? { package: text }
    : undefined)

export const portNumber = (text: string): number | undefined =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined

export const positive = (text: string): number | undefined => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined)

export const portOrOff = (text: string): number | "off" | undefined => (text === "off" ? text : portNumber(text))

export const httpUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined

/** Where keys come from decides who signs in: nobody on the way may change them. */
export const keysUrl = (text: string): string | undefined => {
  if (httpUrl(text) === undefined) return undefined
  const { protocol, hostname, username, password } = new URL(text)
  const isSafe = protocol === "https:" || isLoopback(hostname)
  return isSafe && username === "" && password === "" ? text : undefined
}

export const mqttUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^mqtts?:$/.test(new URL(text).protocol) ? text : undefined

export const serverUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^(https?|wss?):$/.test(new URL(text).protocol) ? text : undefined

export const postgresUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol) ? text : undefined

/** `100+120`: a hundred at once, and as many as a hundred and twenty an hour. */
export const budgetText = (text: string): Budget | undefined => {
  const [, burst, perHour] = /^([1-9]\d{0,11})\+([1-9]\d{0,11})$/.exec(text) ?? []
  return burst === undefined || perHour === undefined ? undefined : budget(Number(burst), Number(perHour))
}

export const budgetOrOff = (text: string): Budget | undefined => (text === "off" ? UNLIMITED : budgetText(text))

export const oneWord = (text: string): string | undefined => (/^\S+$/.test(text) ? text : undefined)

export const databaseName = (text: string): string | undefined => (/^[\w-]+$/.test(text) ? text : undefined)

export const secretBytes = (text: string): Uint8Array | undefined => {
  const bytes = new TextEncoder().encode(text)
  return bytes.length >= SECRET_BYTES ? bytes : undefined
}

/** A part of a brand, as the API takes it. */
export const brandPart =
  (part: keyof typeof BrandRequest.fields) =>
  (text: string): string | undefined =>
    Schema.is(BrandRequest.fields[part])(text) ? text : undefined

/** The PNG at a path, in base64. */
export const brandLogo = (path: string): string | undefined => {
  try {
    return brandPart("logo")(readFileSync(path).toString("base64"))
  } catch {
    return undefined
  }
}

/** PEM in one line, its line ends written as \\n, is what many environments can hold. */
export const publicKeyFrom = (text: string): KeyObject | undefined => {
  try {
    const key = createPublicKey(text.replaceAll("\\n", "\n"))
    return algorithmsOf(key).length > 0 ? key : undefined
  } catch {
    return undefined
  }
}

/** No two organizations share a secret. */
export const apiKeyPairs = (
  text: string
): ReadonlyArray<{ readonly orgId: string; readonly secret: string }> | undefined => {
  const pairs = pairsIn(text).map(([orgId, secret]) => ({ orgId, secret }))
  const distinct = new Set(pairs.map(({ secret }) => secret)).size
  return distinct === text.split(",").length ? pairs : undefined
}

export const shadowKeyPairs = (
  text: string
): ReadonlyArray<{ readonly accessKeyId: string; readonly secretAccessKey: string }> | undefined => {
  const pairs = pairsIn(text).map(([accessKeyId, secretAccessKey]) => ({ accessKeyId, secretAccessKey }))
  const distinct = new Set(pairs.map(({ accessKeyId }) => accessKeyId)).size
  return distinct === text.split(",").length ? pairs : undefined
}

/** Whose events may be put on which event bus: `org:arn` pairs. */
export const eventBuses = (
  text: string
): ReadonlyArray<{ readonly orgId: string; readonly arn: string }> | undefined => {
  const pairs = text.split(",").map((pair) => BUS.exec(pair))
  const buses = pairs.flatMap((pair) => (pair === null ? [] : [{ orgId: pair[1] ?? "", arn: pair[2] ?? "" }]))
  return buses.length === pairs.length ? buses : undefined
}

const BUS = /^\s*([^:\s]+):(arn:aws[a-z-]*:events:[a-z0-9-]+:\d{12}:event-bus\/[\w./-]{1,256})\s*$/

/** `name:secret` pairs, without what is none. A secret may itself contain colons; the name may not. */
const pairsIn = (text: string): ReadonlyArray<readonly [name: string, secret: string]> =>
  text.split(",").flatMap((pair) => {
    const [, name, secret] = /^\s*([^:\s]+):(\S+)\s*$/.exec(pair) ?? []
    return name === undefined || secret === undefined || secretBytes(secret) === undefined
      ? []
      : [[name, secret] as const]
  })
