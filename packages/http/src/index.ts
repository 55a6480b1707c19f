/** The HTTP API as a library: serve it from a program of your own, with adapters and sign-in of your choice. */
export { Api } from "./api/Api.ts"
export * from "./auth/ApiKeys.ts"
export * from "./auth/Authentication.ts"
export * from "./auth/Jwt.ts"
export { PinSecret, PinSecretUnusable } from "./auth/PinSecret.ts"
export type { Detail, Problem } from "./api/Problem.ts"
export * from "./serve.ts"
export { CannotListen, type Deadlines, urlOf } from "./server/Server.ts"
