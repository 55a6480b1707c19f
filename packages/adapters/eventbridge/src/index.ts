export * as EventBridge from "./EventBridge.ts"
