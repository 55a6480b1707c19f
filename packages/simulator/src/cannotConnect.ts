/** Why a lock cannot connect, and what to do about it, in one line. */

const START = 'Start the server ("latchkey serve"), or say where it is with --url.'

/** What the system, or the broker, says; MQTT's own codes are numbers. */
export const cannotConnect = (url: string, thing: string, error: Error): string => {
  const code = codeOf(error)
  const because = BY_CODE[code]?.(thing)
  if (because !== undefined) return `Cannot connect to ${shown(url)}: ${because}`
  if (/CERT|SELF_SIGNED|ALTNAME/.test(code)) {
    return `Cannot connect to ${shown(url)}: its certificate is not trusted (${code}). Set NODE_EXTRA_CA_CERTS to its issuer's certificate.`
  }
  if (/SSL|TLS|EPROTO/.test(code))
    return `Cannot connect to ${shown(url)}: it does not speak TLS there. Try mqtt:// in --url.`
  // mqtt.js reads something that is no MQTT, or waits for an answer in vain.
  if (/connack timeout/i.test(error.message)) return `Cannot connect to ${shown(url)}: ${SILENT}`
  return `Cannot connect to ${shown(url)}: what answers there is not an MQTT broker (${error.message}). Devices have their own port, 8788 unless LATCHKEY_MQTT_PORT is set: see --url.`
}

/** The connection ended before the broker said anything. */
export const closedAtOnce = (url: string): string =>
  `Cannot connect to ${shown(url)}: the connection is closed before a broker answers. Check that --url is the port of devices (8788 unless LATCHKEY_MQTT_PORT is set), and that it takes as many connections.`

export const topicsRefused = (url: string, thing: string): string =>
  `Cannot use ${shown(url)}: it does not let ${thing} hear the topics of its shadow. Check the broker's access list.`

const SILENT = "nothing answers. Check host and port of --url, and what is between here and there."
const WRONG_SECRET = (thing: string) =>
  `the name or secret of ${thing} is refused. Make a secret with "latchkey devices create ${thing}", and give it with --secret.`

const BY_CODE: { readonly [code: string]: ((thing: string) => string) | undefined } = {
  ECONNREFUSED: () => `nothing listens there. ${START}`,
  ECONNRESET: () => `it closes the connection. ${START}`,
  ENOTFOUND: () => "there is no host with this name. Check --url.",
  EAI_AGAIN: () => "the name of the host cannot be looked up. Check --url, and the network.",
  ETIMEDOUT: () => SILENT,
  EHOSTUNREACH: () => SILENT,
  ENETUNREACH: () => SILENT,
  "2": (thing) => `the name ${thing} is refused.`,
  "3": () => "it is busy, or this address has failed to sign in too often.",
  "4": WRONG_SECRET,
  "5": WRONG_SECRET
}

/** A host of several addresses fails with one error for each. */
const codeOf = (error: Error): string => {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof Error && "code" in first ? String(first.code) : ""
}

/** Without a password. */
const shown = (url: string): string => url.replace(/\/\/[^/]*@/, "//")
