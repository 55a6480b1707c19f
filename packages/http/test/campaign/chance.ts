/** Numbers from 0 up to, and without, 1, as a seed decides them. */
export type Chance = () => number

export const between = (chance: Chance, low: number, high: number): number => low + chance() * (high - low)

export const oneOf = <A>(chance: Chance, all: ReadonlyArray<A>): A | undefined => all[Math.floor(chance() * all.length)]
