/**
 * Who may do what. Everything but the head row is private; who is not on the list cannot connect, and every function
 * looks again: a writer may be dismissed while it is connected, and calls come by other ways than a connection.
 */
import { millisecondsOf, refuse, type Transaction, type WriteArguments } from "./database.ts"

/** The publisher of the module owns it. Publishing tells no token: the first that the owner connects with counts. */
export const init = (tx: Transaction): void => {
  tx.db.head.insert({ id: 0, position: 0n })
  tx.db.sweeps.insert({ id: 0, time: millisecondsOf(tx) })
  tx.db.writers.insert({ identity: tx.sender, issuer: "", audience: "", owner: true })
}

/** An identity is made of a token's issuer and subject; whom the token was meant for, it does not tell. */
export const checkToken = (tx: Transaction): void => {
  const writer = tx.db.writers.identity.find(tx.sender)
  const token = tx.senderAuth.jwt
  if (writer === null || token === null) notAllowed()
  else if (writer.issuer === "") tx.db.writers.identity.update({ ...writer, ...meantFor(token) })
  else if (token.issuer !== writer.issuer || !isFor(token.audience, writer.audience)) notAllowed()
}

export const requireWriter = (tx: Transaction): void => {
  if (tx.db.writers.identity.find(tx.sender) === null) notAllowed()
}

export const allowWriter = (tx: Transaction, { identity, issuer, audience }: WriteArguments["allow_writer"]): void => {
  requireOwner(tx)
  const known = tx.db.writers.identity.find(identity)
  if (known === null) tx.db.writers.insert({ identity, issuer, audience, owner: false })
  else tx.db.writers.identity.update({ ...known, issuer, audience })
}

export const dismissWriter = (tx: Transaction, { identity }: WriteArguments["dismiss_writer"]): void => {
  requireOwner(tx)
  if (tx.db.writers.identity.find(identity)?.owner) {
    refuse({
      code: "NotAllowed",
      message: "The owner of the database cannot be dismissed: then nobody could allow writers."
    })
  }
  tx.db.writers.identity.delete(identity)
}

const requireOwner = (tx: Transaction): void => {
  if (!tx.db.writers.identity.find(tx.sender)?.owner) {
    refuse({ code: "NotAllowed", message: "Only the owner of the database can allow and dismiss writers." })
  }
}

const notAllowed = (): void =>
  refuse({
    code: "NotAllowed",
    message:
      "This identity, with a token of this issuer and audience, is not an allowed writer: ask the owner to call allow_writer."
  })

const meantFor = ({ issuer, audience }: { issuer: string; audience: readonly string[] }) => ({
  issuer,
  audience: audience[0] ?? ""
})

/** A token for nobody in particular is for the audience `""`. */
const isFor = (audience: readonly string[], expected: string): boolean =>
  expected === "" ? audience.length === 0 : audience.includes(expected)
