/**
 * The SQL of subscriptions, as far as the test host goes: `SELECT * FROM table`, and a condition that compares columns
 * with literals, joined by AND. Anything else is refused by name, never misread.
 */
import { type AlgebraicType, BinaryReader, BinaryWriter, AlgebraicType as Types } from "spacetimedb"
import type { Row, Table } from "./Table.ts"

export interface Query {
  readonly table: Table
  readonly matches: (row: Row) => boolean
}

const TOKEN =
  /\s*(?:("(?:[^"]|"")+"|[A-Za-z_]\w*)|('(?:[^']|'')*')|(0x[\da-fA-F]+|[xX]'(?:[\da-fA-F]{2})*')|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(<>|!=|<=|>=|[=<>().*,;]))/y
const KINDS = ["name", "text", "hex", "number", "sign"] as const

interface Token {
  readonly kind: (typeof KINDS)[number]
  readonly text: string
}

const COMPARE: Readonly<Record<string, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<>": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0
}

/** Throws with the reason, for the client, when the query is not one that the test host knows. */
export function parseQuery(sql: string, tables: ReadonlyArray<Table>): Query {
  const tokens = tokenize(sql)
  const refuse = (): never => {
    throw new Error(`The test host knows SELECT * FROM table [WHERE column = literal [AND …]], not: ${sql}`)
  }
  const isWord = (word: string) => tokens[0]?.kind === "name" && tokens[0].text.toUpperCase() === word
  const take = (word: string): boolean => {
    const found = isWord(word) || (tokens[0]?.kind === "sign" && tokens[0].text === word)
    if (found) tokens.shift()
    return found
  }
  const expect = (word: string) => take(word) || refuse()
  const name = (): string => {
    const token = tokens.shift()
    if (token?.kind !== "name") return refuse()
    return token.text.startsWith('"') ? token.text.slice(1, -1).replaceAll('""', '"') : token.text
  }

  expect("SELECT")
  const selected = take("*") ? undefined : name()
  if (selected !== undefined) {
    expect(".")
    expect("*")
  }
  expect("FROM")
  const wanted = name()
  const table = tables.find(({ def }) => isNamed(def, wanted))
  if (table === undefined) throw new Error(noSuchTable(wanted))
  if (selected !== undefined && !isNamed(table.def, selected)) refuse()

  const condition = (): Array<(row: Row) => boolean> => {
    let found: Array<(row: Row) => boolean>
    if (take("(")) {
      found = condition()
      expect(")")
    } else found = [comparison()]
    return take("AND") ? [...found, ...condition()] : found
  }
  const comparison = (): ((row: Row) => boolean) => {
    if (take("TRUE")) return () => true
    let column = name()
    if (take(".")) {
      if (!isNamed(table.def, column)) refuse()
      column = name()
    }
    const at = table.def.columns.findIndex((one) => isNamed(one, column))
    if (at < 0) throw new Error(`${table.def.name} has no column ${column}`)
    const compare = COMPARE[tokens.shift()?.text ?? ""] ?? refuse()
    const key = keyOfLiteral(table, at, tokens.shift() ?? refuse())
    return (row) => {
      const value = table.keyOf(row, at)
      return compare(value < key ? -1 : value > key ? 1 : 0)
    }
  }
  const conditions = take("WHERE") ? condition() : []
  take(";")
  if (tokens.length > 0) refuse()
  return { table, matches: (row) => conditions.every((holds) => holds(row)) }
}

/** SQL may name things as clients do and as the module does. */
const isNamed = (one: { readonly name: string; readonly sourceName: string }, name: string): boolean =>
  one.name === name || one.sourceName === name

/** The same words for a table that is not there and for one that the client may not see. */
export const noSuchTable = (name: string): string =>
  `no such table: \`${name}\`. If the table exists, it may be marked private.`

function tokenize(sql: string): Array<Token> {
  const tokens: Array<Token> = []
  const text = sql.trim()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const found = TOKEN.exec(text)
    if (found === null) throw new Error(`Not SQL at position ${at}: ${text}`)
    const group = KINDS.findIndex((_, kind) => found[kind + 1] !== undefined)
    tokens.push({ kind: KINDS[group] ?? "sign", text: found[group + 1] ?? "" })
  }
  return tokens
}

/** A literal as the key of the column's type, so that it compares as the server compares. */
function keyOfLiteral({ def, columns }: Table, at: number, { kind, text }: Token): string {
  const column = def.columns[at]
  const wrong = (): never => {
    throw new Error(`The literal ${text} is not a value of column ${column?.name}`)
  }
  let type = column?.type as AlgebraicType
  // An identity, a connection id or a timestamp is a product of one number.
  while (type.tag === "Product" && type.value.elements.length === 1)
    type = type.value.elements[0]?.algebraicType ?? wrong()
  const writer = new BinaryWriter(64)
  const write = (value: unknown) => Types.makeSerializer(type)(writer, value)
  const hex = /^0x([\da-f]+)$/i.exec(text)?.[1] ?? /^x'([\da-f]*)'$/i.exec(text)?.[1]
  if (type.tag === "String" && kind === "text") write(text.slice(1, -1).replaceAll("''", "'"))
  else if (type.tag === "Bool" && /^(true|false)$/i.test(text)) write(text.toLowerCase() === "true")
  else if (type.tag === "Array" && type.value.tag === "U8" && kind === "hex") write(Buffer.from(hex ?? "", "hex"))
  else if (/^F\d/.test(type.tag) && kind === "number") write(Number(text))
  else if (/^[IU]\d/.test(type.tag) && (kind === "hex" || (kind === "number" && /^[-+]?\d+$/.test(text)))) {
    const value = BigInt(hex === undefined ? text.replace(/^\+/, "") : `0x${hex || 0}`)
    const size = Number(type.tag.slice(1))
    const fitted = type.tag[0] === "U" ? BigInt.asUintN(size, value) : BigInt.asIntN(size, value)
    if (fitted !== value) wrong()
    write(size > 32 ? value : Number(value))
  } else wrong()
  return columns[at]?.key(new BinaryReader(writer.getBuffer())) ?? wrong()
}
