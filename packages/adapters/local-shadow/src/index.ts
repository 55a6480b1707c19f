export { LocalShadow } from "./LocalShadow.ts"
export type { ShadowContent, ShadowState } from "./ShadowDocument.ts"
export type {
  Presence,
  ShadowAccepted,
  ShadowChange,
  ShadowDeleted,
  ShadowDelta,
  ShadowDocuments,
  ShadowGot
} from "./ShadowMessage.ts"
export * as ShadowBridge from "./ShadowBridge.ts"
export type { DeviceSignIn } from "./ShadowMqtt.ts"
export * as ShadowMqtt from "./ShadowMqtt.ts"
export * as ShadowRest from "./ShadowRest.ts"
export { ShadowRefused } from "./ShadowRequest.ts"
export { ShadowStoreError } from "./ShadowStore.ts"
export type { AccessKey } from "./SigV4.ts"
