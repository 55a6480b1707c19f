export * as AwsIot from "./AwsIot.ts"
export type { ThingNames } from "./DataPlane.ts"
