/** An answer before it is written. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  /** Bytes are shared: they are sent to all who ask without a copy for each. */
  readonly body: string | Buffer
  /** Besides those that every answer has; they come last, and so win. */
  readonly headers?: Readonly<Record<string, string>>
}

export const json = (status: number, body: unknown): Answer => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body)
})

export const withHeaders = (answer: Answer, headers: Readonly<Record<string, string>>): Answer => ({
  ...answer,
  headers: { ...answer.headers, ...headers }
})

/** Bytes, or characters, of the body. */
export const sizeOf = ({ body }: Answer): number => body.length
