// The words: locks, their temp keys, what is asked of them, what happens to them, and what is refused.
export * from "./Text.ts"
export * from "./Lock.ts"
export * from "./TempKey.ts"
export * from "./LockCommand.ts"
export * from "./LockEvent.ts"
export * from "./LockError.ts"
export * from "./DeviceCommand.ts"
// The rules: pure functions.
export * from "./LockAggregate.ts"
export * from "./AccessPolicy.ts"
export * from "./DeviceState.ts"
// The ports: what an adapter implements.
export * from "./ports/EventStore.ts"
export * from "./ports/DeviceShadow.ts"
export * from "./ports/ReadModel.ts"
// The services over the ports.
export * from "./LockRepository.ts"
export * from "./Locks.ts"
export * from "./LockQueries.ts"
export * from "./BulkAddKeys.ts"
export * from "./Projector.ts"
export * as Latchkey from "./Latchkey.ts"
export { createLatchkey } from "./Latchkey.ts"
