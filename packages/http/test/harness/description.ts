/** The description of the API with what it refers to in place. */
export const inPlace = (document: unknown): unknown => {
  const put = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(put)
    if (typeof value !== "object" || value === null) return value
    if (!("$ref" in value) || typeof value.$ref !== "string")
      return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, put(inside)]))
    const steps = value.$ref.split("/").slice(1)
    return put(
      steps.reduce<unknown>((inside, step) => (inside as { readonly [name: string]: unknown })[step], document)
    )
  }
  return put(document)
}
