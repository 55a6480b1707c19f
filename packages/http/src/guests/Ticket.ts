/**
 * The ticket in a guest page: it stands for one view of the page, so that its form opens once however often it is sent.
 * To somebody who is signed in it is also bound to their sign-in, so that no other site can have their browser send it.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { Receipt } from "@latchkey/core"

/** A new ticket for a key: 128 random bits; with the `token` of a signed-in guest, also who may send it. */
export const issueTicket = (tempKeyUuid: string, token: string | undefined): string => {
  const nonce = randomBytes(16).toString("base64url")
  return token === undefined ? nonce : `${nonce}.${bind(nonce, tempKeyUuid, token)}`
}

/** Whether the ticket was issued for this key to the one who has this token. */
export const isBoundTo = (ticket: string, tempKeyUuid: string, token: string): boolean => {
  const [nonce = "", bond = ""] = ticket.split(".")
  const expected = bind(nonce, tempKeyUuid, token)
  return bond.length === expected.length && timingSafeEqual(Buffer.from(bond), Buffer.from(expected))
}

/** The receipt of what the ticket opens. The same ticket for another door opens that one too. */
export const receiptOfTicket = (ticket: string, ...door: ReadonlyArray<string | number>): Receipt => {
  const id = createHash("sha256")
    .update(JSON.stringify(["ticket", ticket, ...door]))
    .digest("base64url")
  return { id, fingerprint: "" }
}

const bind = (nonce: string, tempKeyUuid: string, token: string): string =>
  createHmac("sha256", token).update(`${tempKeyUuid.toLowerCase()}\n${nonce}`).digest("base64url")
