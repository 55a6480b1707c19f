/** Opens a database in a process that will be killed. */
import { Spacetime } from "@latchkey/spacetimedb"

/** `place`: the options, as JSON. */
export const open = (place: string) => Spacetime.layer(JSON.parse(place))
