/** How the API is reached from outside: scheme, host and port. Guest pages post to, and keep cookies at, paths from the root of their host. */
export const publicUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^https?:\/\/[^/?#]+\/*$/i.test(text) ? text.replace(/\/+$/, "") : undefined
