/**
 * Which release of the module is published. Functions are added and their parameters never changed, so a newer module
 * serves older clients; the client asks before anything else.
 */

/** Of this release's module and client. One more with every function that the client needs. */
export const VERSION = 1

/** The oldest client that this release's module serves. */
export const OLDEST_CLIENT = 1

/** What a module says of itself. */
export interface ModuleVersion {
  readonly version: number
  readonly oldestClient: number
}

/** The module is not one that this client can use. */
export class WrongModule extends Error {
  readonly is: "older" | "newer"

  constructor(is: "older" | "newer") {
    super(`The module is ${is}`)
    this.is = is
  }
}

/** Whether a client of this release can use that module; throws `WrongModule` when not. */
export const requireModule = ({ version, oldestClient }: ModuleVersion): void => {
  if (version < VERSION) throw new WrongModule("older")
  if (oldestClient > VERSION) throw new WrongModule("newer")
}
