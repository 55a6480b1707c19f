/** Modules of other releases than this one: its bundle, changed as a later one would change it. */
import { expect } from "vitest"
import { bundle } from "./fixture.ts"

/** One place of the bundle, and what is there in the other release. */
type Change = readonly [RegExp, string]

/** The module with these changes, each in the one place that it names. */
export const release = (...changes: ReadonlyArray<Change>): string =>
  changes.reduce((text, [place, after]) => {
    expect(text.match(new RegExp(place, "g")), String(place)).toHaveLength(1)
    return text.replace(place, after)
  }, bundle)

const VERSIONS = /version: 1,(\s+)oldestClient: 1/

export const older = release([VERSIONS, "version: 0,$1oldestClient: 0"])
export const newer = release([VERSIONS, "version: 2,$1oldestClient: 1"])
export const muchNewer = release([VERSIONS, "version: 2,$1oldestClient: 2"])
/** As modules were before they told their version. */
export const withoutVersion = release([/(list_records, )module_version, /, "$1"])

/** What a later release may change in what is kept: the engine publishes it over data. */
export const taken = {
  "a column more, at the end and with a default": release([
    /owner: t\.bool\(\)/,
    'owner: t.bool(), note: t.string().default("")'
  ]),
  "a table more": release(
    [/(\s)sweeps: \{/, "$1extra: { id: t.u8().primaryKey() }, sweeps: {"],
    [/presence: table\(\{\}, rows\.presence\)/, "$&, extra: table({}, rows.extra)"]
  ),
  "an index more": release([/(stream: t\.string\(\)\.primaryKey\(\),\s+version: t\.u64\(\))/, '$1.index("btree")'])
}

/** What the engine refuses to publish over data, and so does the test before a user meets it. */
export const refused = {
  "a column more without a default": release([/owner: t\.bool\(\)/, "owner: t.bool(), note: t.string()"]),
  "a column more that is not at the end": release([
    /(audience: t\.string\(\),\s+)owner: t\.bool\(\)/,
    '$1note: t.string().default(""), owner: t.bool()'
  ]),
  "a column of another type": release([/carriedOut: t\.bool\(\)/, "carriedOut: t.u8()"]),
  "a column less": release([/(issuer: t\.string\(\),\s+audience: t\.string\(\)),\s+owner: t\.bool\(\)/, "$1"])
}

/** What the engine takes, over data that fits, and clients or other data would not survive: our own test refuses it. */
export const refusedByUs = {
  "another unique column": release([/(eventId: t\.string\(\))\.index\("btree"\)/, "$1.unique()"]),
  "a parameter more": release([/feed_head: \{\s+params: \{\}/, "feed_head: { params: { more: t.option(t.u8()) }"]),
  "a function less": release([/(dismiss_writer, )feed_head, /, "$1"]),
  "another answer": release([/(feed_head: \{\s+params: \{\},\s+returns: )t\.u64\(\)/, "$1t.u32()"])
}
