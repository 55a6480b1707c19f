export * from "./memory.ts"
export * from "./eventStoreSuite.ts"
