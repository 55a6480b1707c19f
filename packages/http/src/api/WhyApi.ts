/** Why a lock opens or not, and what an update would have changed. Beyond the published contract; nothing here writes. */
import {
  AccessMethod,
  AccessMode,
  attemptsFields,
  Instant,
  Key,
  LockId,
  LockRequest,
  MaxUses,
  RefusalReason,
  Rule,
  Schedule,
  TempKeyStatus,
  Text,
  UuidText
} from "@latchkey/core"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { PrincipalInfo as principal } from "./HistoryApi.ts"
import { headers, lock, positive } from "./Parts.ts"
import { problem } from "./Problem.ts"

const errors = [problem(400), problem(403), problem(404), problem(500), problem(503)] as const

/** Exactly one thing is asked about; a `userId` may come with a key, or be asked about alone. A PIN is never sent. */
export const Asked = Schema.Struct({
  /** A temp key of the lock, or a shared key with a door at it. */
  tempKeyUuid: Schema.optionalKey(UuidText),
  keyUuid: Schema.optionalKey(Text),
  /** A shared key: would its PIN open the lock? */
  pinOf: Schema.optionalKey(UuidText),
  /** The newest PIN that was entered at the lock, no later than `at`. */
  pinAttempt: Schema.optionalKey(Schema.Literal("last")),
  /** The id of the event that recorded an attempt: it says by itself when it was, and about what. */
  attemptId: Schema.optionalKey(Text),
  /** The id of an event of the history. */
  eventId: Schema.optionalKey(Text),
  userId: Schema.optionalKey(Text),
  /** Now unless given. */
  at: Schema.optionalKey(Instant)
}).check(
  Schema.makeFilter(({ at, userId, ...subjects }) => {
    const named = Object.keys(subjects).length
    if (named > 1 || (named === 0 && userId === undefined)) {
      const issue = `Name one of tempKeyUuid, keyUuid, pinOf, pinAttempt, attemptId and eventId, or a userId alone`
      return { path: ["tempKeyUuid"], issue }
    }
    const isRecorded = "attemptId" in subjects || "eventId" in subjects
    if (userId !== undefined && ("pinOf" in subjects || "pinAttempt" in subjects || isRecorded))
      return { path: ["userId"], issue: "A userId comes with a tempKeyUuid or a keyUuid, or alone" }
    return at !== undefined && isRecorded
      ? { path: ["at"], issue: "An event or an attempt says by itself when it was" }
      : undefined
  })
)

const text = Schema.optionalKey(Schema.String)
const Explanation = Schema.Struct({
  lockId: LockId,
  asked: Schema.Struct({
    tempKeyUuid: text,
    keyUuid: text,
    userId: text,
    pinOf: text,
    /** In place of a link that is not told. */
    tempKeyId: text,
    command: text,
    by: Schema.optionalKey(principal)
  }),
  at: Schema.String,
  /** The version of the lock's stream that was judged; 0 before the lock was there. */
  version: Schema.Int,
  allowed: Schema.Boolean,
  rule: Rule,
  message: Schema.String,
  nextChangeAt: Schema.NullOr(Schema.String),
  /** What was recorded of the attempt at that instant; `null`: there was none. */
  recorded: Schema.NullOr(
    Schema.Struct({
      eventId: Schema.String,
      version: Schema.optionalKey(Schema.Int),
      outcome: Schema.Union([Schema.Literals(["used", "done", "pin-refused", "access-denied"]), RefusalReason]),
      principal
    })
  ),
  facts: Schema.Struct({
    tempKey: Schema.optionalKey(
      Schema.Struct({
        uuid: Schema.String,
        accessMode: AccessMode,
        allowedUserIds: Schema.Array(Schema.String),
        validFrom: Schema.String,
        validUntil: Schema.String,
        maxUses: MaxUses,
        usedCount: Schema.Int,
        schedule: Schema.optionalKey(Schedule),
        status: TempKeyStatus,
        /** What the clock on the wall showed in the time zone of the schedule. */
        wallTime: text
      })
    ),
    key: Schema.optionalKey(Key),
    ownerId: text,
    sharedKey: Schema.optionalKey(
      Schema.Struct({
        /** Names it, and is no secret. */
        id: Schema.String,
        /** The link: only for the one who may have it. */
        uuid: text,
        validFrom: Schema.String,
        validUntil: Schema.String,
        status: Schema.String,
        doors: Schema.Array(Schema.Struct({ id: Schema.Int, accessMethod: AccessMethod })),
        grantedBy: principal
      })
    ),
    /** Until when the guesser of the PIN was locked out. */
    lockedOutUntil: text,
    events: Schema.Array(
      Schema.Struct({ eventId: Schema.String, version: Schema.Int, type: Schema.String, at: Schema.String, principal })
    )
  })
})

/** What was refused at a lock. */
const Attempt = Schema.Struct({
  attemptId: Schema.String,
  at: Schema.String,
  what: Schema.Literals(["temp-key", "PIN", "command"]),
  tempKeyId: text,
  command: text,
  reason: Schema.Union([Schema.Literals(["access-denied", "pin-refused"]), RefusalReason]),
  principal,
  userId: text,
  lockedOutUntil: text
})

const TriedUse = Schema.Struct({ eventId: Schema.String, at: Schema.String, userId: text, reason: RefusalReason })

const { _tag: _, ...update } = LockRequest.cases.UpdateTempKey.fields

export const why = HttpApiGroup.make("why").add(
  HttpApiEndpoint.get("explain", "/locks/:id/explain", {
    params: lock,
    query: Asked,
    success: Explanation,
    error: errors
  }),
  HttpApiEndpoint.get("attempts", "/locks/:id/attempts", {
    params: lock,
    query: Schema.Struct({
      ...attemptsFields,
      limit: Schema.optionalKey(positive("a number of attempts").pipe(Schema.decodeTo(attemptsFields.limit.schema)))
    }),
    success: Schema.Struct({
      attempts: Schema.Array(Attempt),
      /** Where to go on, further back; `null`: this was all. */
      nextCursor: Schema.NullOr(Schema.String)
    }),
    error: errors
  }),
  HttpApiEndpoint.post("simulate-update-temp-key", "/locks/:id/simulate-update-temp-key", {
    params: lock,
    headers,
    payload: Schema.Struct(update),
    success: Schema.Struct({
      accepted: Schema.Int,
      refused: Schema.Int,
      wouldRefuseCount: Schema.Int,
      wouldAcceptCount: Schema.Int,
      /** The newest of them, oldest first. */
      wouldRefuse: Schema.Array(TriedUse),
      wouldAccept: Schema.Array(TriedUse),
      mayLackSome: Schema.Boolean
    }),
    error: [...errors, problem(409), problem(413), problem(415)]
  })
)
