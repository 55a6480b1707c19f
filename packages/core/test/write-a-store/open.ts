export { layer as open } from "./FileStore.ts"
