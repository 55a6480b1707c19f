export * as Sqlite from "./old/Sqlite.ts"
export * as SqliteStreams from "./Sqlite.ts"
