/** Leads a browser to another page of the console. */
import type { Answer } from "../server/Answer.ts"

export const seeOther = (location: string): Answer => ({
  status: 303,
  contentType: "text/html; charset=utf-8",
  body: "",
  headers: { location, "referrer-policy": "no-referrer" }
})
