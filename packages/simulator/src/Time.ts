/** The time that a simulation runs in: that of the machine, or one that jumps from each occasion to the next. */

export interface Time {
  /** Milliseconds since some moment. */
  readonly now: () => number
  /** Calls once, after so many milliseconds, unless it is cancelled. */
  readonly after: (millis: number, call: () => void) => Cancel
}

export type Cancel = () => void

export const realTime: Time = {
  now: () => performance.now(),
  after: (millis, call) => {
    const timer = setTimeout(call, millis)
    return () => clearTimeout(timer)
  }
}

/** Nothing is ever waited for, and what is due at the same time happens in the order in which it was asked for. */
export const virtualTime = (): Time & { readonly runUntil: (end: number) => void } => {
  let now = 0
  let asked = 0
  const due: Array<{ readonly at: number; readonly order: number; readonly call: () => void }> = []
  return {
    now: () => now,
    after: (millis, call) => {
      const entry = { at: now + Math.max(0, millis), order: asked++, call }
      const place = due.findIndex(({ at, order }) => at > entry.at || (at === entry.at && order > entry.order))
      due.splice(place === -1 ? due.length : place, 0, entry)
      return () => {
        const index = due.indexOf(entry)
        if (index !== -1) due.splice(index, 1)
      }
    },
    runUntil: (end) => {
      while (due[0] !== undefined && due[0].at <= end) {
        const { at, call } = due.shift() ?? { at: now, call: () => {} }
        now = at
        call()
      }
      now = end
    }
  }
}
