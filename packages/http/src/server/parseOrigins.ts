/** Origins as browsers write them, such as `https://app.example.org`; `undefined` when one of them is none. */
export const parseOrigins = (text: string): ReadonlyArray<string> | undefined => {
  const origins = text.split(",").map((origin) => origin.trim())
  return origins.every(isOrigin) ? origins : undefined
}

/** Exactly as a browser sends it: what differs in a slash or a capital would match nothing, and nobody would know why. */
const isOrigin = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, origin } = new URL(text)
  return /^https?:$/.test(protocol) && origin === text
}
