/** What strangers can cause as often as they like is told of a line a minute. */

const MINUTE = 60_000

/** Tells of a subject at once, then at most once a minute, with how often it has come up since. */
export const aMinuteApart = () => {
  const told = new Map<string, { times: number; say: (times: number) => void }>()
  return (subject: string, say: (times: number) => void): void => {
    const before = told.get(subject)
    if (before !== undefined) {
      before.times++
      before.say = say
      return
    }
    const since = { times: 0, say }
    told.set(subject, since)
    say(1)
    const timer = setInterval(() => {
      const { times } = since
      since.times = 0
      if (times > 0) return since.say(times)
      clearInterval(timer)
      told.delete(subject)
    }, MINUTE)
    timer.unref()
  }
}
