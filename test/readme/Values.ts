/**
 * Ids, secrets and instants differ from run to run. A document prints those of some earlier run; here they stand for
 * the real ones: where the document prints one, the real output has another, which then replaces it in later commands.
 * A value that a command names itself was chosen by the writer and must come back as it is.
 */
const VOLATILE = new RegExp(
  [
    // The secret of a webhook.
    String.raw`whsec_[\w+/]{40,}=*`,
    String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,
    String.raw`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`,
    String.raw`\b1[5-9]\d{11}\b`,
    String.raw`\b(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z])[\w-]{20,}(?:\.[\w-]{20,}){0,2}`,
    // A PIN.
    String.raw`(?<![\w.-])\d{8}(?![\w.-])`
  ].join("|"),
  "g"
)

const isInstant = (value: string): boolean => /^\d{13}$|^\d{4}-\d\d-\d\dT|GMT$/.test(value)

export class Values {
  readonly #real = new Map<string, string>()

  /** The command with the real values in place of the document's. */
  inCommand(command: string): string {
    return command.replace(VOLATILE, (value) => {
      const real = this.#real.get(value) ?? value
      this.#real.set(value, real)
      return real
    })
  }

  /** What was really printed, with the document's values where a different value was to be expected. */
  asWritten(real: string, written: string): string {
    const writtenValues = written.match(VOLATILE) ?? []
    let next = 0
    return real.replace(VOLATILE, (value) => {
      const shown = writtenValues[next++]
      if (shown === undefined) return value
      const known = this.#real.get(shown)
      if (known === undefined && !isInstant(shown)) this.#real.set(shown, value)
      return known === undefined || known === value ? shown : value
    })
  }
}
