/** The ports in this process's memory, without anything that needs a test runner. */
export * as MemoryEventStore from "./MemoryEventStore.ts"
