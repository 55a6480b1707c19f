/**
 * Loaded before a server (`node --import`): it stops itself (SIGSTOP) just before the `STOP_ON`th time that it sends the database
 * a text with `STOP_AT` in it.
 */
import { Client } from "pg"

const { STOP_AT = "", STOP_ON = "1" } = process.env
const { query } = Client.prototype
let times = 0

Client.prototype.query = new Proxy(query, {
  apply: (target, client, [asked, ...rest]: ReadonlyArray<{ readonly values?: ReadonlyArray<unknown> }>) => {
    const isSaid = asked?.values?.some((value) => typeof value === "string" && value.includes(STOP_AT)) === true
    if (isSaid && ++times === Number(STOP_ON)) process.kill(process.pid, "SIGSTOP")
    return Reflect.apply(target, client, [asked, ...rest])
  }
})
