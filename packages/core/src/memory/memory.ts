/** The ports in this process's memory, without anything that needs a test runner. */
export * as MemoryDeviceShadow from "./MemoryDeviceShadow.ts"
export * as MemoryEventStore from "./MemoryEventStore.ts"
/** Until all tests say `MemoryEventStore`. */
export * as MemoryStreams from "./MemoryEventStore.ts"
export * as MemoryReadModel from "./MemoryReadModel.ts"
