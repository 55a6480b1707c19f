/** A set of strings in code-unit order, for millions of them: sorted runs, none of which grows long. */

const LONGEST = 1_024

export interface SortedKeys {
  readonly add: (key: string) => void
  readonly remove: (key: string) => void
  /** The keys from `from` on, in order. */
  readonly from: (from: string) => Iterable<string>
}

export const make = (): SortedKeys => {
  /** Never empty, and none of them is empty, but for the only one of an empty set. */
  const runs: Array<Array<string>> = [[]]

  /** The last run that begins at or before the key, or the first one. */
  const runOf = (key: string): number => Math.max(0, firstWhere(runs, (run) => (run[0] ?? "") > key) - 1)
  const placeIn = (run: ReadonlyArray<string>, key: string): number => firstWhere(run, (other) => other >= key)

  return {
    add: (key) => {
      const index = runOf(key)
      const run = runs[index] as Array<string>
      const place = placeIn(run, key)
      if (run[place] === key) return
      run.splice(place, 0, key)
      if (run.length > LONGEST) runs.splice(index + 1, 0, run.splice(LONGEST / 2))
    },
    remove: (key) => {
      const index = runOf(key)
      const run = runs[index] as Array<string>
      const place = placeIn(run, key)
      if (run[place] !== key) return
      run.splice(place, 1)
      if (run.length === 0 && runs.length > 1) runs.splice(index, 1)
    },
    *from(from) {
      for (let index = runOf(from); index < runs.length; index++) {
        const run = runs[index] as Array<string>
        for (let place = placeIn(run, from); place < run.length; place++) yield run[place] as string
      }
    }
  }
}

/** The first index whose item meets the condition, which all later ones then meet too; the length if none does. */
export const firstWhere = <A>(items: ReadonlyArray<A>, condition: (item: A) => boolean): number => {
  let [from, to] = [0, items.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (condition(items[middle] as A)) to = middle
    else from = middle + 1
  }
  return from
}
