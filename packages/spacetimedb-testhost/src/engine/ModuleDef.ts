/** The tables and functions of a module, under the names by which the server knows them. */
import { type AlgebraicType, BinaryReader, toSnakeCase } from "spacetimedb"
import { RawModuleDef, type RawSection, type RawTable } from "../protocol/RawModuleDef.ts"
import { isReserved } from "./reserved.ts"

export interface ModuleDef {
  readonly types: ReadonlyArray<AlgebraicType>
  readonly tables: ReadonlyArray<TableDef>
  readonly reducers: ReadonlyArray<FunctionDef>
  readonly procedures: ReadonlyArray<FunctionDef>
  readonly lifecycle: Readonly<Partial<Record<"Init" | "OnConnect" | "OnDisconnect", FunctionDef>>>
}

type Named = {
  /** As clients and SQL say it. */
  readonly name: string
  /** As the module says it. */
  readonly sourceName: string
}

export interface TableDef extends Named {
  readonly isPublic: boolean
  readonly isEvent: boolean
  readonly columns: ReadonlyArray<Named & { readonly type: AlgebraicType }>
  readonly indexes: ReadonlyArray<Named & { readonly columns: ReadonlyArray<number>; readonly isUnique: boolean }>
  readonly sequences: RawTable["sequences"]
  readonly schedule: { readonly column: number; readonly functionName: string } | undefined
}

export interface FunctionDef extends Named {
  /** By which the runtime calls it. */
  readonly id: number
  readonly params: ProductType
  readonly returns: AlgebraicType | undefined
  readonly isCallable: boolean
}

type ProductType = Extract<AlgebraicType, { tag: "Product" }>["value"]
type Sections = { readonly [Tag in RawSection["tag"]]?: Extract<RawSection, { tag: Tag }>["value"] }

/** Throws with what is to be changed when the module uses what the test host does not model. */
export function readModuleDef(bytes: Uint8Array): ModuleDef {
  const reader = new BinaryReader(bytes)
  const raw = RawModuleDef.deserialize(reader)
  // An unknown section cannot be skipped: what follows it makes no sense.
  if (raw?.tag !== "V10" || reader.remaining > 0 || raw.value.sections.some((section) => section === undefined)) {
    throw new Error("The test host does not know this form of module: build it with spacetimedb 2.x, at least 2.10")
  }
  const sections: Sections = Object.fromEntries(raw.value.sections.map(({ tag, value }) => [tag, value]))
  if (sections.Submodules?.length) throw new Error("The test host does not model submodules")
  if (sections.RowLevelSecurity?.length) throw new Error("The test host does not model row-level security")

  const explicit = {
    Table: new Map<string, string>(),
    Function: new Map<string, string>(),
    Index: new Map<string, string>()
  }
  for (const { tag, value } of sections.ExplicitNames?.entries ?? []) {
    explicit[tag].set(value.sourceName, value.canonicalName)
  }
  const converted = sections.CaseConversionPolicy?.tag === "None" ? (name: string) => name : snakeCase
  const named = (sourceName: string, kind?: keyof typeof explicit): Named => {
    const name = (kind && explicit[kind].get(sourceName)) ?? converted(sourceName)
    if (isReserved(name)) throw new Error(`The server reserves the name ${name}: choose another`)
    return { sourceName, name }
  }

  const typeNames = new Set<string>()
  for (const { sourceName } of sections.Types ?? []) {
    const name = [...sourceName.scope, sourceName.sourceName].join(".")
    if (typeNames.has(name)) throw new Error(`name \`${name}\` is used for multiple types`)
    typeNames.add(name)
  }
  const types = sections.Typespace?.types ?? []
  const schedules = sections.Schedules ?? []
  const lifecycles = sections.LifeCycleReducers ?? []
  const internal = new Set([...schedules, ...lifecycles].map(({ functionName }) => functionName))
  const functions = (
    defs: ReadonlyArray<{ sourceName: string; params: ProductType; returnType?: AlgebraicType }>
  ): ReadonlyArray<FunctionDef> =>
    defs.map(({ sourceName, params, returnType }, id) => {
      for (const { name } of params.elements) named(name ?? "")
      return {
        ...named(sourceName, "Function"),
        id,
        params,
        returns: returnType,
        isCallable: !internal.has(sourceName)
      }
    })
  const reducers = functions(sections.Reducers ?? [])

  return {
    types,
    reducers,
    procedures: functions(sections.Procedures ?? []),
    lifecycle: Object.fromEntries(
      lifecycles.map(({ lifecycleSpec, functionName }) => [
        lifecycleSpec.tag,
        reducers.find(({ sourceName }) => sourceName === functionName)
      ])
    ),
    tables: (sections.Tables ?? []).map((table): TableDef => {
      const row = types[table.productTypeRef]
      if (row?.tag !== "Product") throw new Error(`The rows of table ${table.sourceName} are not a product`)
      const uniques = table.constraints.map(({ data }) => data.value.columns)
      const indexes = table.indexes.map(({ sourceName, algorithm }) => {
        const columns = algorithm.tag === "Direct" ? [algorithm.value] : algorithm.value
        return {
          ...named(sourceName ?? "", "Index"),
          columns,
          isUnique: uniques.some((unique) => sameSet(unique, columns))
        }
      })
      for (const unique of uniques) {
        if (!indexes.some(({ columns }) => sameSet(unique, columns))) {
          throw new Error(`A unique constraint of table ${table.sourceName} has no index on the same columns`)
        }
      }
      const schedule = schedules.find(({ tableName }) => tableName === table.sourceName)
      return {
        ...named(table.sourceName, "Table"),
        isPublic: table.tableAccess.tag === "Public",
        isEvent: table.isEvent,
        columns: row.value.elements.map(({ name, algebraicType }) => ({ ...named(name ?? ""), type: algebraicType })),
        indexes,
        sequences: table.sequences,
        schedule: schedule && { column: schedule.scheduleAtCol, functionName: schedule.functionName }
      }
    })
  }
}

function sameSet(some: ReadonlyArray<number>, others: ReadonlyArray<number>): boolean {
  return new Set(some).symmetricDifference(new Set(others)).size === 0
}

/** `deviceState` is known as `device_state`, and so is `DeviceState`. */
function snakeCase(name: string): string {
  return toSnakeCase(name).replace(/^_(?=[a-z])/, "")
}
