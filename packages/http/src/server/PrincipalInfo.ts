/** Who did something, as it is told on the wire. */
import type { ShownPrincipal } from "@latchkey/core"

export const principalInfo = ({ _tag, ...who }: ShownPrincipal) => ({ type: _tag, ...who })
