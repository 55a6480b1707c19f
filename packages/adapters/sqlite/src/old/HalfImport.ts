/** The mark of a log that an import has begun to fill, in the header of its file: nobody takes a part for the whole. */
import type { DatabaseSync } from "node:sqlite"
import { Unusable } from "../Database.ts"

/** "LKim", as an application id. */
const MARK = 0x4c4b696d

/** Sets the mark, or takes it away, together with whatever else the transaction does. */
export const markHalfImported = (db: DatabaseSync, isHalf: boolean): void =>
  db.exec(`PRAGMA application_id = ${isHalf ? MARK : 0}`)

/** Somebody else fills the log; `message` says so. Whatever is written into a part would be lost with it. */
export class HalfImported extends Unusable {}

/** Why such a log is not opened; `undefined` for any other. */
export const halfImported = (db: DatabaseSync, file: string): string | undefined =>
  db.prepare("PRAGMA application_id").get()?.["application_id"] === MARK
    ? `The log ${file} holds a part of an export: an import into it is under way, or was interrupted. Wait for its end, or delete the file and import again.`
    : undefined
