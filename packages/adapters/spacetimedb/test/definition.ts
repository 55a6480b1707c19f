/** What a published module offers, in few words, and which changes of it an upgrade takes. */

export interface Definition {
  readonly version: number
  readonly tables: {
    readonly [name: string]: {
      /** Each `name: type`, with `= default` behind it where the column has one. */
      readonly columns: ReadonlyArray<string>
      /** Columns of which no two rows have the same. */
      readonly unique: ReadonlyArray<string>
    }
  }
  /** Reducers and procedures: their parameters, and what they answer. */
  readonly functions: { readonly [name: string]: string }
}

const DEFAULT = " = default"

/**
 * What the next release's module may not do to this one's, as users would meet it: first what the engine refuses to publish
 * over data, then what would break clients of the same version.
 */
export const refusedChanges = (released: Definition, next: Definition): ReadonlyArray<string> => [
  ...Object.entries(released.tables).flatMap(([name, { columns, unique }]) => {
    const after = next.tables[name]
    if (after === undefined) return [`table ${name} is gone`]
    return [
      ...columns.flatMap((column, at) => {
        const isSame = after.columns[at]?.replace(DEFAULT, "") === column.replace(DEFAULT, "")
        return isSame ? [] : [`column ${name}.${column} is gone, elsewhere or of another type`]
      }),
      ...after.columns
        .slice(columns.length)
        .flatMap((column) => (column.endsWith(DEFAULT) ? [] : [`column ${name}.${column} is new and has no default`])),
      ...(String(unique) === String(after.unique) ? [] : [`other columns of ${name} are unique`])
    ]
  }),
  ...Object.entries(released.functions).flatMap(([name, type]) =>
    next.functions[name] === type ? [] : [`function ${name} is gone or another`]
  ),
  ...(Object.keys(next.functions).some((name) => released.functions[name] === undefined) &&
  next.version <= released.version
    ? ["a function is new, and VERSION is not"]
    : [])
]

/** Reads what the server tells of a module, at `/schema?version=10`. */
export const definitionOf = ({ sections }: RawDefinition, version: number): Definition => {
  const section = <Name extends keyof Section>(name: Name): NonNullable<Section[Name]> =>
    sections.find((one) => name in one)?.[name] ?? expectNone()
  const { types } = section("Typespace")

  const textOf = (type: RawType): string => {
    const [tag = "", value] = Object.entries(type)[0] ?? []
    switch (tag) {
      case "Ref":
        return textOf(types[value as number] ?? {})
      case "Array":
        return `[${textOf(value as RawType)}]`
      case "Product":
        return `{${fieldsOf((value as RawProduct).elements)}}`
      case "Sum":
        return `<${fieldsOf((value as RawSum).variants)}>`
      default:
        return tag
    }
  }
  const fieldsOf = (fields: ReadonlyArray<RawField>): string =>
    fields.map((field) => `${nameOf(field)}: ${textOf(field.algebraic_type)}`).join(", ")
  const columnsOf = (reference: number) => (types[reference] as { readonly Product: RawProduct }).Product.elements

  const functions = [
    ...section("Reducers").map(({ source_name, params }) => [source_name, `(${fieldsOf(params.elements)})`] as const),
    ...section("Procedures").map(
      ({ source_name, params, return_type }) =>
        [source_name, `(${fieldsOf(params.elements)}) -> ${textOf(return_type)}`] as const
    )
  ]
  const tables = section("Tables").map((table) => {
    const columns = columnsOf(table.product_type_ref)
    const unique = table.constraints.map(({ data }) =>
      data.Unique.columns.map((at) => columns[at] && nameOf(columns[at])).join(" and ")
    )
    const texts = columns.map((column, at) => {
      const hasDefault = table.default_values.some(({ col_id }) => col_id === at)
      return `${fieldsOf([column])}${hasDefault ? DEFAULT : ""}`
    })
    return [table.source_name, { columns: texts, unique: unique.toSorted() }] as const
  })
  const byName = <A>(entries: ReadonlyArray<readonly [string, A]>): { readonly [name: string]: A } =>
    Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return { version, tables: byName(tables), functions: byName(functions) }
}

const expectNone = (): never => {
  throw new Error("The module does not say all of itself")
}

/** As the engine tells it; the host of tests tells it as the module does. */
const nameOf = ({ name }: RawField): string =>
  "some" in name ? name.some.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : ""

type RawType = { readonly [tag: string]: unknown }
type RawField = {
  readonly name: { readonly some: string } | { readonly none: unknown }
  readonly algebraic_type: RawType
}
type RawProduct = { readonly elements: ReadonlyArray<RawField> }
type RawSum = { readonly variants: ReadonlyArray<RawField> }

interface Section {
  readonly Typespace?: { readonly types: ReadonlyArray<RawType> }
  readonly Tables?: ReadonlyArray<{
    readonly source_name: string
    readonly product_type_ref: number
    readonly constraints: ReadonlyArray<{
      readonly data: { readonly Unique: { readonly columns: ReadonlyArray<number> } }
    }>
    readonly default_values: ReadonlyArray<{ readonly col_id: number }>
  }>
  readonly Reducers?: ReadonlyArray<{ readonly source_name: string; readonly params: RawProduct }>
  readonly Procedures?: ReadonlyArray<{
    readonly source_name: string
    readonly params: RawProduct
    readonly return_type: RawType
  }>
}

export interface RawDefinition {
  readonly sections: ReadonlyArray<Section>
}
