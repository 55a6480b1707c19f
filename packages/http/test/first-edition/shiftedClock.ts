/** Preloaded (`node --import`): the clock of every thread is `CLOCK_OFFSET` milliseconds off, so that a recording has an hour of its own. */
const offset = Number(process.env["CLOCK_OFFSET"] ?? 0)
const trueNow = Date.now
const now = () => trueNow() + offset

Date.now = now
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget)
})
