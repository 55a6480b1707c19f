/** However somebody writes its uuid, it is the same thing. */
export const canonicalThing = (thing: string): string => thing.toLowerCase()
