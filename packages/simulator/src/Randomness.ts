/** Chance that a seed decides: the same names give the same numbers, whatever else was drawn before. */

/** Numbers from 0 up to, and without, 1. */
export type Random = () => number

/** A source of its own for whatever the names say, so that one draw more in one place changes nothing in another. */
export const randomOf = (seed: number, ...names: ReadonlyArray<string | number>): Random => {
  let state = hashOf(`${seed}/${names.join("/")}`)
  // splitmix32: small, and good enough for weather.
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    mixed ^= mixed >>> 15
    return (mixed >>> 0) / 4_294_967_296
  }
}

export const between = (random: Random, [low, high]: readonly [low: number, high: number]): number =>
  low + random() * (high - low)

/** A UUID that the names decide. */
export const uuidOf = (seed: number, ...names: ReadonlyArray<string | number>): string => {
  const random = randomOf(seed, "uuid", ...names)
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join("")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** FNV-1a. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}
