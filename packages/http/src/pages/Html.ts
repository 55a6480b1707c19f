/** HTML in which nothing but the template itself is markup: every value is escaped, unless it is HTML already. */

/** Markup that is safe to send. Made by `html` alone. */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

/** What a template may hold; `undefined` and `false` leave nothing. Values of attributes stand in quotes. */
type Value = Html | string | number | undefined | false | ReadonlyArray<Html>

export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<Value>): Html =>
  new Html(strings.reduce((markup, part, index) => markup + render(values[index - 1]) + part))

const render = (value: Value): string => {
  if (value === undefined || value === false) return ""
  if (value instanceof Html) return value.markup
  return typeof value === "object" ? value.map(render).join("") : escapeText(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** Overrides of writing direction have no place in a label: they make it read as another one (UAX #9). */
const escapeText = (text: string): string =>
  text.replace(/[&<>"'\u202a-\u202e\u2066-\u2069]/g, (character) => ENTITIES[character] ?? "")
