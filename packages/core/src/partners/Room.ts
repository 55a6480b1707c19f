/**
 * Room for what is on its way: requests, and the bytes of their bodies, of each organization and of all. Every webhook may
 * have one request under way without it: receivers that hang take the room of others for more, never for that.
 */

/** Requests under way: of one organization while half of all are free, of one when they are not, and of all. */
const MOST_WHILE_FREE = 160
const MOST_OF_ORGANIZATION = 64
const MOST_OF_ALL = 500
/** Of all, those that every webhook may have included. */
const MOST_IN_ALL = 1_000
/** Bytes of bodies under way: of one webhook, of one organization, of all. */
export const MOST_BYTES = 1024 * 1024
const MOST_BYTES_OF_ORGANIZATION = 4 * MOST_BYTES
const MOST_BYTES_OF_ALL = 16 * MOST_BYTES

interface UnderWay {
  requests: number
  bytes: number
}

/** What all webhooks of a process have under way. */
export class Room {
  readonly #all: UnderWay = { requests: 0, bytes: 0 }
  readonly #organizations = new Map<string, UnderWay>()

  /** Whether not even the only request of a webhook may be made. */
  get isFull(): boolean {
    return this.#all.requests >= MOST_IN_ALL
  }

  /** Whether a webhook of the organization may have one more request under way, beside another of its own. */
  has(orgId: string, bytes: number): boolean {
    const own = this.#organizations.get(orgId) ?? { requests: 0, bytes: 0 }
    const most = this.#all.requests < MOST_OF_ALL / 2 ? MOST_WHILE_FREE : MOST_OF_ORGANIZATION
    return (
      own.requests < most &&
      own.bytes + bytes <= MOST_BYTES_OF_ORGANIZATION &&
      this.#all.requests < MOST_OF_ALL &&
      this.#all.bytes + bytes <= MOST_BYTES_OF_ALL
    )
  }

  take(orgId: string, bytes: number): void {
    this.#count(orgId, 1, bytes)
  }

  give(orgId: string, bytes: number, requests = 1): void {
    this.#count(orgId, -requests, -bytes)
  }

  #count(orgId: string, requests: number, bytes: number): void {
    const own = this.#organizations.get(orgId) ?? { requests: 0, bytes: 0 }
    for (const one of [this.#all, own]) {
      one.requests += requests
      one.bytes += bytes
    }
    if (own.requests === 0) this.#organizations.delete(orgId)
    else this.#organizations.set(orgId, own)
  }
}
