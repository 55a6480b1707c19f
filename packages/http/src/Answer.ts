/** An answer before it is written. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  /** Besides those that every answer has; they come last, and so win. */
  readonly headers?: Readonly<Record<string, string>>
}

export const json = (status: number, body: unknown): Answer => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body)
})
