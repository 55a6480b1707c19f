/** The HTTP API as a library: serve it from a program of your own, with adapters and sign-in of your choice. */
export { Api } from "./Api.ts"
export * from "./ApiKeys.ts"
export * from "./Authentication.ts"
export * from "./Jwt.ts"
export type { Detail, Problem } from "./Problem.ts"
export * from "./Server.ts"
