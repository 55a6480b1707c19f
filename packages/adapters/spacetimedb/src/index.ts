export * as Spacetime from "./Spacetime.ts"
