/** What guests' browsers and apps are answered: a page, an opening, its confirmation, and how they sign in. */
import {
  type Brand,
  Brands,
  type CommandStatus,
  type GuestKey,
  instantOf,
  type Opened,
  type Principal,
  TempKeyLinks
} from "@latchkey/core"
import { Clock, Duration, Effect, Option } from "effect"
import type { Api } from "../api/Api.ts"
import { LONGEST_WAIT } from "../api/Parts.ts"
import { Authenticator, bearerOf } from "../auth/Authentication.ts"
import { PinSecret } from "../auth/PinSecret.ts"
import { prefersPage } from "../pages/prefersPage.ts"
import type { Answer } from "../server/Answer.ts"
import { type ApiError, problemOf, withNextStep } from "../server/Errors.ts"
import { boundTo } from "../server/Idempotency.ts"
import type { Call, Handlers } from "../server/Routes.ts"
import { calendarOf } from "./Calendar.ts"
import { type Confirmation, isUseful, makePages, type PageProblem } from "./GuestPage.ts"
import { pathOfKey, sessionCookie, sessionToken } from "./GuestSession.ts"
import { type Reader, readerOf } from "./Reader.ts"
import { isBoundTo, issueTicket, receiptOfTicket } from "./Ticket.ts"

/** Devices carry out an open within this time: later, its confirmation is history. In milliseconds. */
const RECENT = 10_000
/** For so long an opening that the lock has confirmed is news, in milliseconds. */
const OUTCOME_RECENT = 60_000

/** Who is at the door. A `token` signed them in; in a cookie, the browser sends it no matter who made it ask. */
interface Guest {
  readonly principal: Principal
  readonly token?: string
  readonly byCookie: boolean
  /** When that was known, epoch milliseconds: to learn it may take seconds. */
  readonly at: number
}

/**
 * @param signInUrl where guests are sent to sign in
 * @param ownBrand whose the pages are, where no organization has said so
 */
export const makeGuestHandlers = Effect.fnUntraced(function* (
  signInUrl: string | undefined,
  ownBrand: Brand | undefined
) {
  const links = yield* TempKeyLinks
  const { authenticate } = yield* Authenticator
  const pinKey = yield* PinSecret
  const brands = yield* Brands
  const pages = makePages(signInUrl)

  const brandOf = (key: GuestKey) =>
    key.status === "deleted" || key.orgId === undefined
      ? Effect.succeed(ownBrand)
      : Effect.map(brands.of(key.orgId), (brand) => brand ?? ownBrand)

  const guestOf = Effect.fnUntraced(function* ({ principal, headers, at }: Call) {
    const bearer = bearerOf(headers)
    const token = principal._tag === "Guest" ? sessionToken(headers) : undefined
    if (token === undefined) {
      return { principal, byCookie: false, at, ...(bearer === undefined ? {} : { token: bearer }) }
    }
    const signedIn = yield* authenticate({ authorization: `Bearer ${token}` }).pipe(
      Effect.map((principal) => ({ principal, token, byCookie: true })),
      // A browser goes on sending what has ended.
      Effect.catchTag(["TokenRefused", "Unauthenticated"], () => Effect.succeed({ principal, byCookie: false }))
    )
    return { ...signedIn, at: yield* Clock.currentTimeMillis } satisfies Guest
  })

  const keyPage = Effect.fnUntraced(function* (
    uuid: string,
    guest: Guest,
    reader: Reader,
    given: {
      readonly status?: number
      readonly ticket?: string | undefined
      readonly notice?: PageProblem | undefined
    } = {}
  ) {
    const key = yield* links.view(uuid, userOf(guest.principal), reader.now, pinKey)
    const ticket = given.ticket ?? issueTicket(uuid, guest.token)
    return pages.key(given.status ?? (key.status === "deleted" ? 404 : 200), reader, {
      uuid,
      key,
      brand: yield* brandOf(key),
      ticket,
      notice: given.notice
    })
  })

  /** When the lock of the key, or this door of several, was opened. */
  const openedAt = (uuid: string, door: number | undefined, version: number) =>
    Effect.catchTag(links.opening(uuid, door, version), "LinkNotFound", () => Effect.succeedNone)

  /** Leads to the confirmation, or shows on the key's page what went wrong. */
  const openingPage = (
    uuid: string,
    visitor: Guest,
    reader: Reader,
    ticket: string | undefined,
    doorId: number | undefined,
    opening: Effect.Effect<Opened, ApiError>
  ): Effect.Effect<Answer, ApiError> =>
    opening.pipe(
      Effect.map((opened) => seeOther(confirmationOf(uuid, doorId, opened))),
      Effect.catch((error) => {
        if (!isShownWithKey(error)) return Effect.fail(error)
        const status = problemOf(error).code
        const notice = noticeOf(error)
        if (notice !== undefined) {
          return Effect.map(keyPage(uuid, visitor, reader, { status, ticket, notice }), (page) =>
            withNextStep(page, error)
          )
        }
        // Whose cookie did not count has a page of an earlier sign-in.
        const isStale = error._tag === "SignInNeeded" && visitor.byCookie
        return keyPage(uuid, visitor, reader, isStale ? { status, notice: "stale" } : { status })
      })
    )

  const backToKey = ({ params: { uuid } }: { readonly params: { readonly uuid: string } }) =>
    Effect.succeed(seeOther(pathOfKey(uuid)))

  const handlers: Handlers<typeof Api>["guests"] = {
    page: Effect.fnUntraced(function* ({ params: { uuid }, query: { lang }, call }) {
      const guest = yield* guestOf(call)
      const page = yield* keyPage(uuid, guest, readerOf(call.headers, guest.at, lang))
      // An app signs its web view in with a header, which the form of the page cannot send.
      return guest.token === undefined || guest.byCookie ? page : withCookie(page, sessionCookie(uuid, guest.token))
    }),

    open: Effect.fnUntraced(function* ({ params: { uuid }, payload: { ticket }, call }) {
      const visitor = yield* guestOf(call)
      const context = openingBy(visitor, call, uuid, ticket)
      const userId = userOf(context.principal)
      const opening = links.open({ link: uuid, ...context, ...(userId === undefined ? {} : { userId }) })
      return prefersPage(call.headers)
        ? yield* openingPage(uuid, visitor, readerOf(call.headers, visitor.at), ticket, undefined, opening)
        : yield* Effect.map(opening, (opened) =>
            openedBody(uuid, undefined, opened, { usedCount: opened.usedCount ?? 0 })
          )
    }),

    "open-door": Effect.fnUntraced(function* ({ params: { uuid, doorId }, payload: { ticket }, call }) {
      const visitor = yield* guestOf(call)
      const context = openingBy(visitor, call, uuid, ticket, doorId)
      const userId = userOf(context.principal)
      const opening = links.open({ link: uuid, doorId, ...context, ...(userId === undefined ? {} : { userId }) })
      return prefersPage(call.headers)
        ? yield* openingPage(uuid, visitor, readerOf(call.headers, visitor.at), ticket, doorId, opening)
        : yield* Effect.map(opening, (opened) => openedBody(uuid, doorId, opened, {}))
    }),

    confirmation: Effect.fnUntraced(function* ({ params: { uuid }, query, call }) {
      const { opened, door, offline, wait = 0, lang } = query
      const isPage = prefersPage(call.headers)
      const at = opened === undefined ? Option.none() : yield* openedAt(uuid, door, opened)
      const reader = readerOf(call.headers, call.at, lang)
      if (opened === undefined || Option.isNone(at)) {
        const key = yield* links.view(uuid, undefined, call.at)
        const here = `${pathOfKey(uuid)}/confirmation`
        return isPage
          ? pages.confirmation(reader, { uuid, here, kind: "none", at: 0, key, brand: yield* brandOf(key) })
          : { status: 200, body: { status: "none" as const } }
      }
      const patience = Duration.seconds(Math.min(wait, LONGEST_WAIT))
      const outcome = Option.getOrUndefined(yield* links.outcome(uuid, door, opened, patience))
      if (!isPage) return { status: 200, body: confirmationBody(at.value, outcome) }
      const now = wait > 0 ? yield* Clock.currentTimeMillis : call.at
      // Who has waited may have used the key up meanwhile, or has a use of it back.
      const key = yield* links.view(uuid, undefined, now)
      const kind = kindOf(outcome, now - at.value, offline === "true", wait > 0)
      const here = confirmationOf(uuid, door, { version: opened, online: offline !== "true" })
      const brand = yield* brandOf(key)
      return pages.confirmation({ ...reader, now }, { uuid, here, kind, at: at.value, key, brand, door })
    }),

    calendar: Effect.fnUntraced(function* ({ params: { uuid }, query: { lang }, call }) {
      const guest = yield* guestOf(call)
      const key = yield* links.view(uuid, userOf(guest.principal), guest.at)
      // The page says why there is nothing to put into a calendar.
      if (!isUseful(key)) return seeOther(pathOfKey(uuid))
      const body = calendarOf(readerOf(call.headers, guest.at, lang), uuid, key)
      return { status: 200, contentType: "text/calendar; charset=utf-8", body, headers: CALENDAR_HEADERS }
    }),

    "back-from-open": backToKey,
    "back-from-door": backToKey,
    "back-from-sign-in": backToKey,

    "sign-in": Effect.fnUntraced(function* ({ params: { uuid }, payload: { token }, call }) {
      yield* links.view(uuid, undefined, call.at)
      yield* authenticate({ authorization: `Bearer ${token}` })
      return withCookie(seeOther(pathOfKey(uuid)), sessionCookie(uuid, token))
    })
  }
  return handlers
})

/** On whose behalf a door is opened, and the receipt by which one page opens it once. */
const openingBy = (
  visitor: Guest,
  { principal: caller, newCommandId, receipt }: Call,
  uuid: string,
  ticket: string | undefined,
  ...door: ReadonlyArray<number>
) => {
  // A browser's cookie comes with every form that any site has it send; the ticket shows that the form is ours.
  const isOurs = visitor.token !== undefined && ticket !== undefined && isBoundTo(ticket, uuid, visitor.token)
  const principal = visitor.byCookie && !isOurs ? caller : visitor.principal
  const own = receipt === undefined || principal === caller ? receipt : boundTo(receipt, principal)
  const given = own ?? (ticket === undefined ? undefined : receiptOfTicket(ticket, uuid.toLowerCase(), ...door))
  return {
    principal,
    commandId: newCommandId(),
    at: visitor.at,
    ...(given === undefined ? {} : { receipt: given })
  }
}

const userOf = (principal: Principal): string | undefined => ("userId" in principal ? principal.userId : undefined)

const openedBody = <Counted extends object>(
  uuid: string,
  doorId: number | undefined,
  opened: Opened,
  counted: Counted
) => ({
  status: 200,
  body: {
    success: true as const,
    offline: opened.online === false,
    ...counted,
    confirmation: confirmationOf(uuid, doorId, opened)
  }
})

const confirmationOf = (
  uuid: string,
  doorId: number | undefined,
  opened: Pick<Opened, "version" | "online">
): string => {
  const door = doorId === undefined ? "" : `door=${doorId}&`
  return `${pathOfKey(uuid)}/confirmation?${door}opened=${opened.version}${opened.online === false ? "&offline=true" : ""}`
}

/** What became of an opening. Of one so old that nobody knows any more, nothing came. */
const confirmationBody = (openedAt: number, outcome: CommandStatus | undefined) => ({
  status: outcome?.status ?? ("superseded" as const),
  openedAt: instantOf(openedAt),
  ...(outcome !== undefined && "reportedAt" in outcome && { reportedAt: instantOf(outcome.reportedAt) }),
  ...(outcome !== undefined && "useReturned" in outcome && outcome.useReturned && { useReturned: true as const })
})

/** What there is to say of an opening, `age` milliseconds after it. */
const kindOf = (
  outcome: CommandStatus | undefined,
  age: number,
  isOffline: boolean,
  hasWaited: boolean
): Confirmation["kind"] => {
  switch (outcome?.status) {
    case "done":
      return age < OUTCOME_RECENT ? "done" : "past"
    case "failed":
    case "expired":
      return outcome.useReturned ? "returned" : "failed"
    default:
      if (age < RECENT) return isOffline ? "offline" : "told"
      return hasWaited ? "silent" : "past"
  }
}

/** What the page of the key itself explains best. */
const isShownWithKey = (error: ApiError): boolean =>
  [
    "TempKeyNotValid",
    "TempKeyWithdrawn",
    "SignInNeeded",
    "AccessDenied",
    "DoorNotNamed",
    "DeviceUnreachable",
    "LockBusy",
    "TooManyOpenings"
  ].includes(error._tag)

/** What may be different in a moment: the guest tries again with the same ticket. */
const noticeOf = (error: ApiError): PageProblem | undefined => {
  switch (error._tag) {
    case "DeviceUnreachable":
      return error.inDoubt ? "in-doubt" : "unreachable"
    case "LockBusy":
      return "busy"
    case "TooManyOpenings":
      return "too-often"
    default:
      return undefined
  }
}

const CALENDAR_HEADERS = { "x-content-type-options": "nosniff", "x-robots-tag": "noindex" }

const seeOther = (location: string): Answer => ({
  status: 303,
  contentType: "text/html; charset=utf-8",
  body: "",
  headers: { location }
})

const withCookie = (answer: Answer, cookie: string): Answer => ({
  ...answer,
  headers: { ...answer.headers, "set-cookie": cookie }
})
