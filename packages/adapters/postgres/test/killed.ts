/** Opens a schema in a process that will be killed. */
import { Postgres } from "@latchkey/postgres"

/** `place`: the options, as JSON. */
export const open = (place: string) => Postgres.layer(JSON.parse(place))
