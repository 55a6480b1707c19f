import type { ErrorStatus } from "../api/errorWords.ts"
import type { Problem } from "../api/Problem.ts"

/** What a page itself refuses: in its own words, which no client of the API meets. */
export const ownProblem = (code: ErrorStatus, error: string, message: string): Problem => ({
  success: false,
  error,
  message,
  code
})
