/** `npm run mutation`: breaks the rules in every way it knows, and counts how many of the breaks a test notices. */
export default {
  mutate: [
    "packages/core/src/lock/TempKey.ts",
    "packages/core/src/lock/Evolve.ts",
    "packages/core/src/lock/Decide.ts",
    "packages/core/src/lock/DecideKeys.ts",
    "packages/core/src/lock/DecideTempKeys.ts",
    "packages/core/src/lock/Decision.ts",
    "packages/core/src/lock/AccessPolicy.ts"
  ],
  testRunner: "vitest",
  vitest: { configFile: "stryker.vitest.config.ts", related: false },
  plugins: ["@stryker-mutator/vitest-runner"],
  coverageAnalysis: "perTest",
  concurrency: 2,
  ignorePatterns: [
    "/*",
    "!/packages",
    "/packages/*",
    "!/packages/core",
    "!/packages/http",
    "/packages/http/*",
    "!/packages/http/contract",
    "!/tsconfig*.json",
    "!/stryker.*"
  ],
  // Stryker rewrites the file named here with a TypeScript API that TypeScript 7 no longer has; nothing needs rewriting.
  tsconfigFile: "none",
  // Where no other tool looks for sources or tests.
  tempDirName: "dist/mutation",
  cleanTempDir: "always",
  reporters: ["clear-text", "progress-append-only", "html"],
  htmlReporter: { fileName: "reports/mutation.html" },
  thresholds: { high: 95, low: 90, break: 90 }
}
