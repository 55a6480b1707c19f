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
export { ShadowRefused } from "./ShadowRequest.ts"
export { ShadowStoreError } from "./ShadowStore.ts"
