export * from "./memory.ts"
export * from "./Arbitraries.ts"
export * from "./eventStoreSuite.ts"
