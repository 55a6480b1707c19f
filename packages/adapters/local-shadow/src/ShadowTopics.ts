/** The topics of AWS IoT on which devices meet their shadows, and which of them are a device's own. */

const PRESENCE = "$aws/events/presence"

/** Names one shadow; without `shadowName`, the classic one. */
export interface ShadowAddress {
  readonly thing: string
  readonly shadowName?: string
}

/** What a device asks of a shadow. */
export interface ShadowCall extends ShadowAddress {
  readonly operation: "get" | "update" | "delete"
}

/** What a message on this topic asks for; `undefined` when it is no request. */
export const callOf = (topic: string): ShadowCall | undefined => {
  const [, thing, shadowName, operation] = CALL.exec(topic) ?? []
  if (thing === undefined || !isOperation(operation)) return undefined
  return { thing, ...(shadowName !== undefined && { shadowName }), operation }
}

/** A topic below a shadow, such as `update/accepted`. */
export const topicOf = ({ thing, shadowName }: ShadowAddress, below: string): string =>
  `${rootOf(thing)}${shadowName === undefined ? "" : `name/${shadowName}/`}${below}`

/** Where AWS IoT tells that a device came or went. */
export const presenceTopic = (thing: string, online: boolean): string => `${PRESENCE}/${told(online)}/${thing}`

/** Who came or went; `undefined` when the topic tells nothing of that. */
export const presenceOf = (topic: string): { readonly thing: string; readonly online: boolean } | undefined => {
  const [, event, thing] = PRESENCE_OF.exec(topic) ?? []
  return thing === undefined ? undefined : { thing, online: event === told(true) }
}

/** The filters under which all that devices ask, and tell of their presence, arrives. */
export const FILTERS: ReadonlyArray<string> = [
  ...["", "name/+/"].flatMap((name) =>
    ["get", "update", "delete"].map((operation) => `$aws/things/+/shadow/${name}${operation}`)
  ),
  `${PRESENCE}/+/+`
]

/** Whether a device may hear what the filter covers: its own shadows, and its own coming and going. */
export const mayHear = (thing: string, filter: string): boolean =>
  filter.startsWith(rootOf(thing)) || filter === presenceTopic(thing, true) || filter === presenceTopic(thing, false)

const CALL = /^\$aws\/things\/([^/]+)\/shadow(?:\/name\/([^/]+))?\/([a-z]+)$/
const PRESENCE_OF = /^\$aws\/events\/presence\/(connected|disconnected)\/([^/]+)$/

const isOperation = (word: string | undefined): word is ShadowCall["operation"] =>
  word === "get" || word === "update" || word === "delete"

const rootOf = (thing: string) => `$aws/things/${thing}/shadow/`
const told = (online: boolean) => (online ? "connected" : "disconnected")
