/** Browsers, and clients that take anything, get pages; those who ask for JSON get JSON (RFC 9110, section 12.5.1). */
import type { IncomingHttpHeaders } from "node:http"
import Negotiator from "negotiator"

export const prefersPage = (headers: IncomingHttpHeaders): boolean =>
  new Negotiator({ headers }).mediaType(["text/html", "application/json"]) !== "application/json"
