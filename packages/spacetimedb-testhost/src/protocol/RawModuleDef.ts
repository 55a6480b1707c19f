/** What `__describe_module__` answers: a module definition of version 10, as the server runtime writes it. */
import { type AlgebraicType, type Infer, type TypeBuilder, t } from "spacetimedb"

const ref = t.u32()
const column = t.u16()
const columns = t.array(column)
const name = t.option(t.string())

// Recursive: the getters name it before it exists, so its type is stated.
const Type: TypeBuilder<AlgebraicType, AlgebraicType> = t.enum("AlgebraicType", {
  Ref: ref,
  get Sum() {
    return t.object("SumType", { variants: t.array(t.object("SumTypeVariant", { name, algebraicType: Type })) })
  },
  get Product() {
    return Product
  },
  get Array() {
    return Type
  },
  String: t.unit(),
  Bool: t.unit(),
  I8: t.unit(),
  U8: t.unit(),
  I16: t.unit(),
  U16: t.unit(),
  I32: t.unit(),
  U32: t.unit(),
  I64: t.unit(),
  U64: t.unit(),
  I128: t.unit(),
  U128: t.unit(),
  I256: t.unit(),
  U256: t.unit(),
  F32: t.unit(),
  F64: t.unit()
}) as never

const Product = t.object("ProductType", {
  elements: t.array(t.object("ProductTypeElement", { name, algebraicType: Type }))
})

const Visibility = t.enum("FunctionVisibility", { Private: t.unit(), ClientCallable: t.unit() })
const Lifecycle = t.enum("Lifecycle", { Init: t.unit(), OnConnect: t.unit(), OnDisconnect: t.unit() })
const NameMapping = t.object("NameMapping", { sourceName: t.string(), canonicalName: t.string() })
const Method = t.enum("HttpMethod", {
  Get: t.unit(),
  Head: t.unit(),
  Post: t.unit(),
  Put: t.unit(),
  Delete: t.unit(),
  Connect: t.unit(),
  Options: t.unit(),
  Trace: t.unit(),
  Patch: t.unit(),
  Extension: t.string()
})

const Table = t.object("RawTableDefV10", {
  sourceName: t.string(),
  productTypeRef: ref,
  primaryKey: columns,
  indexes: t.array(
    t.object("RawIndexDefV10", {
      sourceName: name,
      accessorName: name,
      algorithm: t.enum("RawIndexAlgorithm", { BTree: columns, Hash: columns, Direct: column })
    })
  ),
  constraints: t.array(
    t.object("RawConstraintDefV10", {
      sourceName: name,
      data: t.enum("RawConstraintDataV9", { Unique: t.object("RawUniqueConstraintDataV9", { columns }) })
    })
  ),
  sequences: t.array(
    t.object("RawSequenceDefV10", {
      sourceName: name,
      column,
      start: t.option(t.i128()),
      minValue: t.option(t.i128()),
      maxValue: t.option(t.i128()),
      increment: t.i128()
    })
  ),
  tableType: t.enum("TableType", { System: t.unit(), User: t.unit() }),
  tableAccess: t.enum("TableAccess", { Public: t.unit(), Private: t.unit() }),
  defaultValues: t.array(t.object("RawColumnDefaultValueV10", { colId: column, value: t.byteArray() })),
  isEvent: t.bool()
})
export type RawTable = Infer<typeof Table>

const Section = t.enum("RawModuleDefV10Section", {
  Typespace: t.object("Typespace", { types: t.array(Type) }),
  Types: t.array(
    t.object("RawTypeDefV10", {
      sourceName: t.object("RawScopedTypeNameV10", { scope: t.array(t.string()), sourceName: t.string() }),
      ty: ref,
      customOrdering: t.bool()
    })
  ),
  Tables: t.array(Table),
  Reducers: t.array(
    t.object("RawReducerDefV10", {
      sourceName: t.string(),
      params: Product,
      visibility: Visibility,
      okReturnType: Type,
      errReturnType: Type
    })
  ),
  Procedures: t.array(
    t.object("RawProcedureDefV10", {
      sourceName: t.string(),
      params: Product,
      returnType: Type,
      visibility: Visibility
    })
  ),
  Views: t.array(
    t.object("RawViewDefV10", {
      sourceName: t.string(),
      index: t.u32(),
      isPublic: t.bool(),
      isAnonymous: t.bool(),
      params: Product,
      returnType: Type
    })
  ),
  Schedules: t.array(
    t.object("RawScheduleDefV10", {
      sourceName: name,
      tableName: t.string(),
      scheduleAtCol: column,
      functionName: t.string()
    })
  ),
  LifeCycleReducers: t.array(
    t.object("RawLifeCycleReducerDefV10", { lifecycleSpec: Lifecycle, functionName: t.string() })
  ),
  RowLevelSecurity: t.array(t.object("RawRowLevelSecurityDefV9", { sql: t.string() })),
  CaseConversionPolicy: t.enum("CaseConversionPolicy", { None: t.unit(), SnakeCase: t.unit() }),
  ExplicitNames: t.object("ExplicitNames", {
    entries: t.array(t.enum("ExplicitNameEntry", { Table: NameMapping, Function: NameMapping, Index: NameMapping }))
  }),
  HttpHandlers: t.array(t.object("RawHttpHandlerDefV10", { sourceName: t.string() })),
  HttpRoutes: t.array(
    t.object("RawHttpRouteDefV10", {
      handlerFunction: t.string(),
      method: t.enum("MethodOrAny", { Any: t.unit(), Method }),
      path: t.string()
    })
  ),
  ViewPrimaryKeys: t.array(
    t.object("RawViewPrimaryKeyDefV10", { viewSourceName: t.string(), columns: t.array(t.string()) })
  ),
  Submodules: t.array(
    t.object("RawSubmoduleV10", {
      namespace: t.string(),
      get module() {
        return Definition
      }
    })
  )
})
export type RawSection = Infer<typeof Section>

const Definition: TypeBuilder<unknown, AlgebraicType> = t.object("RawModuleDefV10", { sections: t.array(Section) })

/** Versions 8 and 9 are older runtimes; their content is not read. */
export const RawModuleDef = t.enum("RawModuleDef", {
  V8BackCompat: t.unit(),
  V9: t.unit(),
  V10: t.object("RawModuleDefV10", { sections: t.array(Section) })
})
