/**
 * A stretch of an index, in the order of its keys, that is known to hold none: to ask for a key within it takes no look into
 * the database. Of several stretches the last is kept, since new keys mostly sort after old ones: ids begin with a time.
 */

/** SQLite sorts by code points, JavaScript by code units: with such characters the database is always asked. */
const SORTED_OTHERWISE = /[\ud800-\uffff]/

export class Gap {
  #from = ""
  /** The key at its end, which is not within it; `undefined` while there is none behind it. */
  #to: string | undefined = ""

  holds(key: string): boolean {
    return key >= this.#from && (this.#to === undefined || key < this.#to) && !SORTED_OTHERWISE.test(key)
  }

  /** No key was found from `from` on until `to`. */
  learn(from: string, to: string | undefined): void {
    if (SORTED_OTHERWISE.test(from) || (to !== undefined && (this.#to === undefined || to < this.#to))) return
    this.#from = from
    this.#to = to
  }

  /** This key is there from now on. No string lies between a key and itself with a NUL behind it. */
  take(key: string): void {
    if (this.holds(key)) this.#from = `${key}\0`
  }
}
