/** What racers want, and what they have. */
const thing = (kind: number, n: number) => `0b0e8400-000${kind}-4000-8000-${n.toString(16).padStart(12, "a")}`

/** The thing that all want in a round. */
export const thingOfRound = (round: number): string => thing(1, round)
/** The thing of the lock that a racer has from the start. */
export const ownThing = (racer: number): string => thing(2, racer)
