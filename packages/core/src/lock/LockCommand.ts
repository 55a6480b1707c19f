/** What somebody asks of a lock, and the context it is asked in: who, when, and under which id. */
import { Schema, Struct } from "effect"
import { RequestReceipt } from "../streams/Receipts.ts"
import { Asker } from "../values/Principal.ts"
import type { Giver } from "./Giver.ts"
import { LockId } from "./Lock.ts"
import { type CommandRow, commandTable, type LockCommandType, requests } from "./LockCommands.ts"
import { NonEmptyText } from "./RequestFields.ts"

interface FieldsOf extends Struct.Lambda {
  <Row extends CommandRow>(row: Row): Row["request"]
  readonly "~lambda.out": this["~lambda.in"] extends { readonly request: infer Fields } ? Fields : never
}

const fieldsOf = Struct.lambda<FieldsOf>(({ request }) => request)

/** What may be asked of a lock. The bodies of requests are these, without the tag. */
export const LockRequest = Schema.TaggedUnion(Struct.map(requests, fieldsOf))
export type LockRequest = typeof LockRequest.Type

/** What any command says beside its context. */
export const CommandBody = Schema.TaggedUnion(Struct.map(commandTable, fieldsOf))

/** Epoch milliseconds; no later and no earlier than a `Date` can say. */
export const Millis = Schema.Int.check(Schema.isBetween({ minimum: -8.64e15, maximum: 8.64e15 }))

/** The context of a command. */
export const CommandContext = Schema.Struct({
  lockId: LockId,
  /** Unique to this command; ids of its events derive from it. */
  commandId: NonEmptyText,
  /** When it was asked. */
  at: Millis,
  principal: Asker,
  /** Makes a retried command answer what it answered the first time. */
  receipt: Schema.optionalKey(RequestReceipt),
  /** The versions of which the lock must have one for the command to be carried out; `*`: any. */
  ifVersion: Schema.optionalKey(Schema.Union([Schema.Literal("*"), Schema.Array(Schema.Int)]))
})
export type CommandContext = typeof CommandContext.Type

/** Whether a lock of this version is as the command expects it; 0 is the version of one that is not there. */
export const isAsExpected = ({ ifVersion }: Pick<CommandContext, "ifVersion">, version: number): boolean =>
  ifVersion === undefined || (ifVersion === "*" ? version > 0 : ifVersion.includes(version))

/** What a command of each type says beside its context. */
type SaidBy = { readonly [Tag in LockCommandType]: Schema.Struct.Type<(typeof commandTable)[Tag]["request"]> }
/** What a command of this kind says of itself. */
export type Said<Tag extends LockCommandType> = SaidBy[Tag]

/** A command of one of these types. */
export type CommandOf<Tags extends LockCommandType> = {
  readonly [Tag in Tags]: CommandContext & { readonly _tag: Tag } & SaidBy[Tag]
}[Tags]
/** Everything that is asked of one lock, with who asks, when and under which id. */
export type LockCommand = CommandOf<LockCommandType> & Given

/** What is done later, or by a guest, is done on the right of a giver: it is refused once that stands no more. */
interface Given {
  readonly giver?: Giver
}

/** The command that says this in this context. */
export const commandOf = <Tag extends LockCommandType>(
  _tag: Tag,
  said: Said<Tag>,
  context: CommandContext
): LockCommand => {
  const command: CommandOf<Tag> = { ...context, ...said, _tag }
  // A command of any one type is a command: of a type that it does not know yet, TypeScript cannot tell.
  return command as LockCommand
}
