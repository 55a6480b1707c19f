export { TestHost, type TestHostOptions } from "./TestHost.ts"
export { identityOf, type TokenRequest } from "./Tokens.ts"
export type { Interruption } from "./Faults.ts"
export type { LogLine } from "./LogLine.ts"
