/**
 * Who may make a thing act, said a second time and otherwise than `AccessPolicy`: a book that is kept of the feed alone, and
 * of who asked for what. Every event, and every command that reached a thing, must be explained by somebody who had the
 * right at that moment.
 */
import type { StoredEvent } from "../src/streams/EventStore.ts"
import type { Principal } from "../src/values/Principal.ts"

/** Who asked, as what, and what they showed for it. */
export interface Asked {
  readonly by: Principal
  readonly tag: string
  /** The link that was shown, or the PIN. */
  readonly shown?: string | undefined
  readonly userId?: string | undefined
}

/** Whose a lock is; `""`: nobody's. */
interface Side {
  readonly ownerId: string
  readonly orgId: string
}
/** By whom something was given, and whose the lock was then. */
interface Given {
  readonly by: Principal
  readonly whose: Side
}
interface Guest extends Given {
  readonly suspended: boolean
  readonly users: ReadonlyArray<string> | undefined
}
interface House {
  readonly side: Side
  readonly thing: string
  readonly isLost: boolean
  readonly isRetired: boolean
  readonly keys: ReadonlyMap<string, Given & { readonly holder: string }>
  /** By link. */
  readonly guests: ReadonlyMap<string, Guest>
}
interface Shared {
  readonly by: Principal
  readonly link: string
  readonly suspended: boolean
  readonly isEnded: boolean
  readonly users: ReadonlyArray<string> | undefined
  readonly doors: ReadonlyMap<number, Given & { readonly lockId: number; readonly method: string }>
}

const lower = (text: unknown): string => String(text).toLowerCase()

/** What one side gave does not end with the other; the operator gave for those who had the lock then, as far as there were any. */
const stillGives = ({ by, whose }: Given, now: Side): boolean => {
  if (by._tag === "User") return by.userId !== "" && now.ownerId === by.userId
  if (by._tag === "Organization") return by.orgId !== "" && now.orgId === by.orgId
  return [whose.ownerId || now.ownerId, whose.orgId || now.orgId].join() === [now.ownerId, now.orgId].join()
}

type Purpose = "open" | "keys" | "temp-keys" | "admin"

const isForThis = (by: Principal, purpose: Purpose, lockId: number): boolean => {
  const { scopes, locks } = ("limits" in by && by.limits) || {}
  return (
    (scopes === undefined || scopes.some((scope) => scope === "admin" || scope === purpose)) &&
    (locks === undefined || locks.includes(lockId))
  )
}

const SENT_BY_ITSELF = ["KeyAdditionSent", "KeyRemovalSent"]
const isByItself = ({ type, principal }: StoredEvent): boolean =>
  principal._tag === "System" && [...SENT_BY_ITSELF, "LockRetired"].includes(type)
/** Events that leave a lock with less than before. */
const ENDING = ["KeyRemoved", "TempKeyDeleted", "TempKeySuspended", "ResidentRemoved", "LockRetired"]
/** Events that say which thing it is. */
const MOVING = ["LockUuidChanged", "ClaimMoved", "ClaimLost"]
const PURPOSES: Readonly<Record<string, Purpose>> = {
  KeysSyncRequested: "keys",
  KeyAdded: "keys",
  KeyWriteRequested: "keys",
  TempKeyCreated: "temp-keys",
  TempKeyUpdated: "temp-keys",
  TempKeyDeleted: "temp-keys",
  TempKeySuspended: "temp-keys",
  TempKeyResumed: "temp-keys",
  TempKeyLinkChanged: "temp-keys"
}

export const makeAudit = (askedBy: (commandId: string) => Asked | undefined) => {
  const houses = new Map<number, House>()
  const shared = new Map<string, Shared>()
  const pins = new Map<string, string>()
  const bulks = new Map<string, Given>()
  /** Which locks have a thing, and whose it was before it was free. */
  const holders = new Map<string, ReadonlySet<number>>()
  const freedBy = new Map<string, string>()
  /** The thing that a command was for, and its lock. */
  const told = new Map<string, { readonly thing: string; readonly lockId: number }>()
  const kinds = new Map<string, number>()
  const wrong: Array<string> = []

  const houseOf = (lockId: number): House => {
    const house = houses.get(lockId)
    if (house === undefined) throw new Error(`There is no lock ${lockId}.`)
    return house
  }
  const change = (lockId: number, changes: Partial<House>) => houses.set(lockId, { ...houseOf(lockId), ...changes })

  const isOrg = (by: Principal, { orgId }: Side) => by._tag === "Organization" && orgId !== "" && by.orgId === orgId
  const isOwner = (by: Principal, { ownerId }: Side) => by._tag === "User" && ownerId !== "" && by.userId === ownerId
  const hasLock = (by: Principal, lockId: number, purpose: Purpose): boolean => {
    const { side } = houseOf(lockId)
    return (by._tag === "Super" || isOrg(by, side) || isOwner(by, side)) && isForThis(by, purpose, lockId)
  }
  const admits = ({ users }: { readonly users: ReadonlyArray<string> | undefined }, { userId }: Asked) =>
    users === undefined || (userId !== undefined && users.includes(userId))

  const take = (thing: string, lockId: number) => holders.set(thing, new Set([...(holders.get(thing) ?? []), lockId]))
  const leave = (thing: string, lockId: number, orgId: string) => {
    const left = new Set([...(holders.get(thing) ?? [])].filter((holder) => holder !== lockId))
    holders.set(thing, left)
    if (left.size === 0) freedBy.set(thing, orgId)
  }
  const isFree = (thing: string, lockId: number) => [...(holders.get(thing) ?? [])].every((holder) => holder === lockId)

  const mayCreate = (by: Principal, thing: string, lockId: number, ownerId: string): boolean => {
    if (!isFree(thing, lockId)) return false
    const was = freedBy.get(thing)
    if (by._tag === "User") return by.userId !== "" && by.userId === ownerId && !holders.has(thing)
    if (by._tag === "Organization")
      return by.orgId !== "" && isForThis(by, "admin", lockId) && ["", by.orgId].includes(was ?? "")
    return by._tag === "Super"
  }

  /** Whether a guest, or anybody who shows the link, comes in. */
  const mayUse = (lockId: number, link: string, asked: Asked): boolean => {
    const house = houseOf(lockId)
    const guest = house.guests.get(lower(link))
    if (guest === undefined || guest.suspended || !stillGives(guest, house.side) || !admits(guest, asked)) return false
    return asked.tag === "UseTempKey"
      ? (asked.by._tag === "Super" || isOrg(asked.by, house.side)) && isForThis(asked.by, "open", lockId)
      : lower(asked.shown) === lower(link)
  }

  const mayOpenDoor = (lockId: number, uuid: string, doorId: number, via: string, asked: Asked): boolean => {
    const key = shared.get(uuid)
    const door = key?.doors.get(doorId)
    if (key === undefined || door === undefined || key.isEnded || key.suspended || !admits(key, asked)) return false
    if (door.lockId !== lockId || !stillGives(door, houseOf(lockId).side)) return false
    return via === "PIN"
      ? door.method !== "key" && asked.shown === pins.get(uuid)
      : door.method !== "code" && lower(asked.shown) === key.link
  }

  const isRight = (event: StoredEvent, before: StoredEvent | undefined, lockId: number): boolean => {
    const { type, data, commandId } = event
    const asked = askedBy(commandId)
    if (asked === undefined) return false
    const { by } = asked
    if (type === "LockCreated") return mayCreate(by, lower(data["uuid"]), lockId, String(data["ownerId"] ?? ""))
    const { side, isRetired, isLost, thing, keys } = houseOf(lockId)
    if (isRetired) return type === "LockRetired" && by._tag === "Super"
    const isAtPeace = !isLost && (holders.get(thing)?.size ?? 0) <= 1
    if (!isAtPeace && !ENDING.includes(type) && !MOVING.includes(type)) return false
    switch (type) {
      case "ClaimLost":
      case "ClaimMoved":
        return by._tag === "Super"
      case "LockUuidChanged":
        return by._tag === "Super" && isFree(lower(data["newUuid"]), lockId)
      case "OrganizationSet":
        return (by._tag === "Super" || isOrg(by, side)) && isForThis(by, "admin", lockId)
      case "LockRetired":
        return (
          (by._tag === "Super" || isOrg(by, side) || (side.orgId === "" && isOwner(by, side))) &&
          isForThis(by, "admin", lockId)
        )
      case "KeyRemoved": {
        const holder = keys.get(String(data["keyUuid"]))?.holder
        return hasLock(by, lockId, "keys") || (by._tag === "User" && by.userId !== "" && by.userId === holder)
      }
      case "KeyAdded": {
        const bulk = [...bulks].find(([id]) => commandId.startsWith(`${id}-`))?.[1]
        return hasLock(by, lockId, "keys") && (bulk === undefined || stillGives(bulk, side))
      }
      case "TempKeyUsed":
        return mayUse(lockId, String(data["tempKeyUuid"]), asked)
      case "LockOpenRequested": {
        // A use of the lock's own temp key was judged just before, by itself.
        if (before?.commandId === commandId && before.type === "TempKeyUsed") return true
        if (data["credentialUuid"] !== undefined)
          return mayOpenDoor(lockId, String(data["credentialUuid"]), Number(data["doorId"]), String(data["via"]), asked)
        const holds = [...keys.values()].some(
          (key) => by._tag === "User" && by.userId !== "" && key.holder === by.userId && stillGives(key, side)
        )
        return asked.tag === "OpenLock" && (hasLock(by, lockId, "open") || holds)
      }
      default:
        return hasLock(by, lockId, PURPOSES[type] ?? "admin")
    }
  }

  const ofLock = (event: StoredEvent, lockId: number): unknown => {
    const { type, data, principal: by } = event
    if (type === "LockCreated") {
      const side = { ownerId: String(data["ownerId"] ?? ""), orgId: String(data["orgId"] ?? "") }
      const thing = lower(data["uuid"])
      const keys = (data["keys"] ?? []) as ReadonlyArray<{ readonly uuid: string; readonly userId?: string }>
      const held = keys.map(({ uuid, userId = "" }) => [uuid, { by, whose: side, holder: userId }] as const)
      const guests = new Map<string, Guest>()
      houses.set(lockId, { side, thing, isLost: false, isRetired: false, keys: new Map(held), guests })
      return take(thing, lockId)
    }
    const { side, thing, keys, guests } = houseOf(lockId)
    const link = lower(data["tempKeyUuid"])
    const guest = guests.get(link)
    const without = new Map([...guests].filter(([other]) => other !== link))
    const withGuest = (changes: Partial<Guest>, as = link) =>
      guest && change(lockId, { guests: new Map(without).set(as, { ...guest, ...changes }) })
    switch (type) {
      case "OwnerSet":
        return change(lockId, { side: { ...side, ownerId: String(data["userId"]) } })
      case "OrganizationSet":
        return change(lockId, { side: { ...side, orgId: String(data["orgId"]) } })
      case "LockRetired":
        if (data["freed"] === true) leave(thing, lockId, side.orgId)
        return change(lockId, { isRetired: true, keys: new Map(), guests: new Map() })
      case "LockUuidChanged":
      case "ClaimMoved":
        if (thing !== lower(data["newUuid"])) leave(thing, lockId, side.orgId)
        take(lower(data["newUuid"]), lockId)
        return change(lockId, { thing: lower(data["newUuid"]), isLost: false })
      case "ClaimLost":
        leave(thing, lockId, side.orgId)
        return change(lockId, { isLost: true })
      case "KeyAdded": {
        const holder = String(data["userId"] ?? "")
        return change(lockId, { keys: new Map(keys).set(String(data["keyUuid"]), { by, whose: side, holder }) })
      }
      case "KeyRemoved":
        return change(lockId, { keys: new Map([...keys].filter(([uuid]) => uuid !== data["keyUuid"])) })
      case "TempKeyCreated": {
        const users = data["accessMode"] === "public" ? undefined : (data["allowedUserIds"] as ReadonlyArray<string>)
        return change(lockId, { guests: new Map(guests).set(link, { by, whose: side, suspended: false, users }) })
      }
      case "TempKeyDeleted":
        return change(lockId, { guests: without })
      case "TempKeySuspended":
      case "TempKeyResumed":
        return withGuest({ suspended: type === "TempKeySuspended" })
      case "TempKeyLinkChanged":
        return withGuest({}, lower(data["newTempKeyUuid"]))
      default:
        return undefined
    }
  }

  type Doors = ReadonlyArray<{ readonly id: number; readonly lockId: number; readonly accessMethod: string }>

  const isRightOfShared = ({ type, data, commandId }: StoredEvent, key: Shared | undefined): boolean => {
    const asked = askedBy(commandId)
    if (asked === undefined) return false
    // It was judged with the opening.
    if (type === "SharedCredentialUsed" || type === "SharedCredentialUseReturned") return true
    const { by } = asked
    const doors = (data["doors"] as Doors | undefined)?.filter(({ id }) => !key?.doors.has(id)) ?? []
    if (!doors.every(({ lockId }) => hasLock(by, lockId, "temp-keys") && !houseOf(lockId).isRetired)) return false
    if (key === undefined) return type === "SharedCredentialCreated"
    const lockIds = [...key.doors.values()].map(({ lockId }) => lockId)
    const isMaker =
      by._tag === "Super" ||
      (by._tag === "User" && key.by._tag === "User" && by.userId === key.by.userId) ||
      (by._tag === "Organization" && key.by._tag === "Organization" && by.orgId === key.by.orgId)
    return isMaker
      ? lockIds.every((lockId) => isForThis(by, "temp-keys", lockId))
      : lockIds.every((lockId) => hasLock(by, lockId, "temp-keys"))
  }

  const ofShared = ({ type, data, principal: by }: StoredEvent, uuid: string, key: Shared | undefined): unknown => {
    const doorsOf = (before: Shared["doors"]) =>
      new Map(
        (data["doors"] as Doors).map(({ id, lockId, accessMethod: method }) => [
          id,
          before.get(id) ?? { by, whose: houseOf(lockId).side, lockId, method }
        ])
      )
    if (type === "SharedCredentialCreated") {
      const users =
        data["accessMode"] === "user-whitelist" ? (data["allowedUserIds"] as ReadonlyArray<string>) : undefined
      const doors = doorsOf(new Map())
      return shared.set(uuid, { by, link: uuid, suspended: false, isEnded: false, users, doors })
    }
    if (key === undefined) return undefined
    if (type === "SharedCredentialSuspended") return shared.set(uuid, { ...key, suspended: true })
    if (type === "SharedCredentialResumed") return shared.set(uuid, { ...key, suspended: false })
    if (type === "SharedCredentialRevoked") return shared.set(uuid, { ...key, isEnded: true })
    if (type === "SharedCredentialLinkSet") return shared.set(uuid, { ...key, link: lower(data["link"]) })
    if (type === "SharedCredentialUpdated" && data["doors"] !== undefined)
      return shared.set(uuid, { ...key, doors: doorsOf(key.doors) })
    return undefined
  }

  /** What Latchkey does about keys by itself: only what somebody wanted. */
  const isWanted = ({ type, data }: StoredEvent, lockId: number): boolean => {
    const { side, thing, keys, isRetired } = houseOf(lockId)
    if (type === "LockRetired") return isRetired
    const key = keys.get(String(data["keyUuid"]))
    if (type === "KeyRemovalSent") return key === undefined
    return key !== undefined && stillGives(key, side) && (holders.get(thing)?.size ?? 0) <= 1
  }

  let last: StoredEvent | undefined
  const judge = (event: StoredEvent, isFine: boolean) => {
    if (!isFine) wrong.push(`${event.streamId} ${event.type} ${JSON.stringify(event.data)} ${event.commandId}`)
  }

  return {
    /** The next event of the feed. */
    take: (event: StoredEvent): void => {
      const [category = "", ...rest] = event.streamId.split("-")
      const id = rest.join("-")
      if (category === "lock") {
        if (event.type !== "CommandOutcomeReported" && event.type !== "TempKeyUseReturned") {
          if (isByItself(event)) judge(event, isWanted(event, Number(id)))
          else if (!event.commandId.startsWith("made-")) judge(event, isRight(event, last, Number(id)))
          ofLock(event, Number(id))
        }
        const asked = askedBy(event.commandId)
        if (["KeyAdded", "KeyWriteRequested", "LockOpenRequested", ...SENT_BY_ITSELF].includes(event.type)) {
          told.set(event.commandId, { thing: houseOf(Number(id)).thing, lockId: Number(id) })
          const kind = `${event.type} by ${asked?.tag}`
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
        }
      } else if (category === "credential") {
        judge(event, isRightOfShared(event, shared.get(id)))
        ofShared(event, id, shared.get(id))
      } else if (event.type === "BulkAddKeysRequested") {
        const lockId = Number(event.data["lockId"])
        const by = askedBy(event.commandId)?.by
        judge(event, by !== undefined && hasLock(by, lockId, "keys"))
        bulks.set(event.commandId, { by: event.principal, whose: houseOf(lockId).side })
      }
      last = event
    },
    /** The PIN that an answer has shown. */
    pinOf: (uuid: string, pin: string): void => void pins.set(lower(uuid), pin),
    /** A command that reached a thing: its lock had that thing, and the log tells of it. */
    reached: (thing: string, commandId: string): void => {
      if (told.get(commandId)?.thing !== lower(thing)) wrong.push(`${commandId} reached ${thing}`)
    },
    /** A command that waits in a thing's shadow: nobody else has the thing since. */
    waits: (thing: string, commandId: string): void => {
      const lockId = told.get(commandId)?.lockId ?? 0
      if (holders.get(lower(thing))?.has(lockId) !== true)
        wrong.push(`${commandId} of lock ${lockId} still waits for ${thing}`)
    },
    sideOf: (lockId: number): Side => houses.get(lockId)?.side ?? { ownerId: "", orgId: "" },
    linkOf: (uuid: string): string => shared.get(lower(uuid))?.link ?? uuid,
    pinFor: (uuid: string): string => pins.get(lower(uuid)) ?? "000000",
    /** What was not explained. */
    wrong,
    /** How often a thing was told what, on whose word. */
    kinds
  }
}
