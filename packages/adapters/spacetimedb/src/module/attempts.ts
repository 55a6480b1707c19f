/**
 * Writes that are carried out once. A client whose answer is lost does not send a write again: it asks here what became of
 * it, and from then on it is refused, should it still be under way.
 */
import { head, millisecondsOf, type ReadArguments, refuse, type Transaction } from "./database.ts"
import { sweep } from "./records.ts"

/** Milliseconds that is remembered what became of a write: longer than anybody asks. */
const REMEMBERED = 600_000n

export const once =
  <Args extends { readonly id: string }>(write: (tx: Transaction, args: Args) => void) =>
  (tx: Transaction, args: Args): void => {
    if (tx.db.writes.id.find(args.id) !== null) refuse({ code: "GivenUp" })
    write(tx, args)
    sweep(tx)
    remember(tx, args.id, true)
  }

/** The feed's position after a write, or nothing: then it was not carried out, and never will be. */
export const settleWrite = (tx: Transaction, { id }: ReadArguments["settle_write"]): bigint | undefined => {
  const known = tx.db.writes.id.find(id)
  if (known === null) remember(tx, id, false)
  return known?.carriedOut ? known.position : undefined
}

const remember = (tx: Transaction, id: string, carriedOut: boolean): void => {
  tx.db.writes.insert({ id, carriedOut, position: head(tx), until: millisecondsOf(tx) + REMEMBERED })
}
