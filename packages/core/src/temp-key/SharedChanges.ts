/** What becomes of a shared credential that is there: pure decisions. One that was ended stays so. No events: it is so already. */
import { Result } from "effect"
import type { Lock } from "../lock/Lock.ts"
import type { AccessDenied } from "../lock/LockError.ts"
import { changed, changesTo } from "../lock/TempKey.ts"
import type { Principal } from "../values/Principal.ts"
import {
  type ChangeRequest,
  flawIn,
  locksWithPin,
  MOST_DOORS,
  openDoors,
  type SharedCredential,
  type SharedCredentialEvent
} from "./SharedCredential.ts"
import {
  DoorCount,
  DoorNotFound,
  type EmptySharedWindow,
  KeyEnded,
  type NobodyAllowed,
  NoPin,
  type NoSuchLock
} from "./SharedCredentialError.ts"

type EventOf<Tag extends SharedCredentialEvent["_tag"]> = Extract<SharedCredentialEvent, { readonly _tag: Tag }>
type Decided<E, Tag extends SharedCredentialEvent["_tag"]> = Result.Result<ReadonlyArray<EventOf<Tag>>, E | KeyEnded>

/** What a change comes to: only what it names. New doors (`locks`, in their order) rest on who adds them, the others stay as they are. */
export const decideChange = (
  credential: SharedCredential,
  { addDoors = [], removeDoors = [], showPin, ...update }: ChangeRequest,
  locks: ReadonlyArray<Lock | undefined>,
  principal: Principal
): Decided<
  NoSuchLock | AccessDenied | EmptySharedWindow | NobodyAllowed | DoorNotFound | DoorCount,
  "SharedCredentialUpdated"
> => {
  if (credential.revokedAt !== undefined) return ended
  const changes = {
    ...changesTo(credential, update),
    ...(showPin !== undefined && showPin !== (credential.showPin === true) && { showPin })
  }
  const flaw = flawIn(changed(credential, changes))
  if (flaw !== undefined) return Result.fail(flaw)
  const unknown = removeDoors.find((id) => id > credential.lastDoor)
  if (unknown !== undefined) return Result.fail(new DoorNotFound({ doorId: unknown }))
  const opened = openDoors(addDoors, "addDoors", locks, principal, credential.lastDoor)
  if (Result.isFailure(opened)) return Result.fail(opened.failure)
  const kept = credential.doors.filter(({ id }) => !removeDoors.includes(id))
  const doors = [...kept, ...opened.success]
  if (doors.length === 0 || doors.length > MOST_DOORS) return Result.fail(new DoorCount({ most: MOST_DOORS }))
  const areSame = addDoors.length === 0 && kept.length === credential.doors.length
  if (areSame && Object.keys(changes).length === 0) return Result.succeed([])
  return Result.succeed([{ _tag: "SharedCredentialUpdated", changes, ...(areSame ? {} : { doors }) }])
}

export const decideSuspend = ({
  revokedAt,
  suspended
}: SharedCredential): Decided<never, "SharedCredentialSuspended"> =>
  revokedAt !== undefined ? ended : Result.succeed(suspended === true ? [] : [{ _tag: "SharedCredentialSuspended" }])

export const decideResume = ({ revokedAt, suspended }: SharedCredential): Decided<never, "SharedCredentialResumed"> =>
  revokedAt !== undefined ? ended : Result.succeed(suspended === true ? [{ _tag: "SharedCredentialResumed" }] : [])

export const decideLink = ({ revokedAt }: SharedCredential, link: string): Decided<never, "SharedCredentialLinkSet"> =>
  revokedAt !== undefined ? ended : Result.succeed([{ _tag: "SharedCredentialLinkSet", link }])

/** Whether it may have another PIN. Which one, is drawn. */
export const decidePin = ({ revokedAt, doors }: SharedCredential): Decided<NoPin, never> => {
  if (revokedAt !== undefined) return ended
  return locksWithPin(doors).length === 0 ? Result.fail(new NoPin()) : Result.succeed([])
}

export const decideRevoke = ({ revokedAt }: SharedCredential): ReadonlyArray<EventOf<"SharedCredentialRevoked">> =>
  revokedAt === undefined ? [{ _tag: "SharedCredentialRevoked" }] : []

const ended = Result.fail(new KeyEnded())
