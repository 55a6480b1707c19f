/** JSON documents as values that may be changed. */
export type Json = { [name: string]: unknown }

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Every object, the inner ones first. */
export const walk = (value: unknown, visit: (object: Json) => void): void => {
  if (typeof value !== "object" || value === null) return
  for (const nested of Object.values(value)) walk(nested, visit)
  if (isObject(value)) visit(value)
}

const SCHEMAS = "#/components/schemas/"

export const refTo = (name: string): Json => ({ $ref: SCHEMAS + name })
