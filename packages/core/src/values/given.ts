/** The fields that are there: an absent one is left out, not stored as `undefined`. */
export const given = <A extends { readonly [field: string]: unknown }>(
  fields: A
): { [K in keyof A]?: Exclude<A[K], undefined> } => {
  const present: { [K in keyof A]?: Exclude<A[K], undefined> } = {}
  for (const field in fields) {
    if (fields[field] !== undefined) present[field] = fields[field] as Exclude<A[typeof field], undefined>
  }
  return present
}
