// The protocol, as a lock follows it: pure.
export type { Command, Outcome, Report } from "./Documents.ts"
export * as LockProtocol from "./LockProtocol.ts"
// What goes wrong, decided by a seed, and the time in which it does.
export { FAULTS, type Faults } from "./Faults.ts"
export { type Random, randomOf } from "./Randomness.ts"
export { realTime, type Time, virtualTime } from "./Time.ts"
// Locks, one or many, and the way to their shadows.
export {
  type Connection,
  type Incident,
  type SimulatedLock,
  simulateLock,
  type Wire,
  type WireListener
} from "./SimulatedLock.ts"
export { type MqttWireOptions, mqttWire } from "./MqttWire.ts"
export { type Reachability, reachability } from "./reachability.ts"
export { type Fleet, type FleetOptions, type Known, simulateFleet, thingsOf } from "./Fleet.ts"
export { fleetView, lineOf } from "./fleetView.ts"
