/** Whose a guest's page is: the name, the colour and the logo of an organization, said by the organization itself. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { Base64 } from "effect/encoding"
import { OPERATOR } from "../access/ApiKeys.ts"
import { permitKey } from "../lock/AccessPolicy.ts"
import { AccessDenied } from "../lock/LockError.ts"
import { type At, asOfCommand, Category, type WriteContext } from "../streams/Category.ts"
import { EventStore, type StoreUnavailable } from "../streams/EventStore.ts"
import type { CommandExists } from "../streams/Reservations.ts"
import { given } from "../values/given.ts"
import type { Principal } from "../values/Principal.ts"
import { textUpTo } from "../values/Text.ts"

/** Most bytes of a logo: it comes with every page. */
const MOST_BYTES = 16_384
/** Most pixels that a logo is wide or high: a small file may be a picture that no phone has room for. */
const MOST_PIXELS = 1_024

/** Bytes of a PNG up to the end of its first part, which says how large it is. */
const HEADER = 33

/** Width and height of a PNG; `undefined` for what is none, or too large. Every PNG begins with them (W3C PNG, section 11.2.1). */
const sizeOfPng = (base64: string): { readonly width: number; readonly height: number } | undefined => {
  if (base64.length > MOST_BYTES * 2 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const decoded = Base64.decode(base64)
  if (Result.isFailure(decoded)) return undefined
  const bytes = decoded.success
  if (bytes.length > MOST_BYTES || bytes.length < HEADER) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isPng = view.getUint32(0) === 0x89504e47 && view.getUint32(4) === 0x0d0a1a0a
  if (!isPng || view.getUint32(8) !== 13 || view.getUint32(12) !== 0x49484452) return undefined
  const [width, height] = [view.getUint32(16), view.getUint32(20)]
  return width >= 1 && height >= 1 && width <= MOST_PIXELS && height <= MOST_PIXELS ? { width, height } : undefined
}

const logo = `a PNG in base64, at most ${MOST_BYTES} bytes and ${MOST_PIXELS} pixels wide and high`

/** A brand as somebody may ask for it. What it leaves out there is not. */
export const BrandRequest = Schema.Struct({
  /** In one line; shown where there is no logo, and said of the logo to those who do not see it. */
  name: textUpTo(80).check(
    // Each letter can be matched in one way only: what is refused may be long.
    Schema.isPattern(/^[^\S\p{Cc}]*[^\s\p{Cc}][^\p{Cc}]*$/u, { expected: "a name in one line" })
  ),
  /** Of what a guest presses and slides; where it would be hard to read by, a darker or lighter shade of it is taken. */
  color: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^#[0-9a-fA-F]{6}$/u, { expected: "a colour such as #0d6b4f" }))
  ),
  /** A PNG, in base64: pictures that can hold scripts or load others are not taken. */
  logo: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter((base64) => sizeOfPng(base64) !== undefined || `must be ${logo}`, { expected: logo })
    )
  )
})
export type BrandRequest = typeof BrandRequest.Type

/** What an organization's pages show. */
export const Brand = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  /** `#` and six digits. */
  color: Schema.optionalKey(Schema.String),
  /** In base64, with its size in pixels: its room on a page is kept. */
  logo: Schema.optionalKey(Schema.Struct({ png: Schema.String, width: Schema.Int, height: Schema.Int }))
})
export type Brand = typeof Brand.Type

/**
 * The brand that a request asks for.
 *
 * @example
 * ```ts
 * brandFrom({ name: "Harbour Hotel", color: "#0D6B4F" }) // { name: "Harbour Hotel", color: "#0d6b4f" }
 * ```
 */
export const brandFrom = ({ name, color, logo }: Partial<BrandRequest>): Brand => {
  const size = logo === undefined ? undefined : sizeOfPng(logo)
  return {
    ...given({ name, color: color?.toLowerCase() }),
    ...(logo !== undefined && size !== undefined && { logo: { png: logo, ...size } })
  }
}

/** What happened to the brand of an organization. Stored forever: add cases and optional fields, never rename or remove one. */
export const BrandEvent = Schema.TaggedUnion({
  BrandSet: Brand.fields,
  BrandRemoved: {}
})
type BrandEvent = typeof BrandEvent.Type

/** The streams of brands, by organization. */
export const BrandStreams = Category<BrandEvent, Brand | undefined>({
  prefix: "brand-",
  events: BrandEvent,
  personal: {},
  initial: undefined,
  evolve: (_, { _tag, ...brand }) => (_tag === "BrandSet" ? brand : undefined)
})

/** Brands that are kept in memory, the latest used: some megabytes. */
const MOST_KEPT = 100

/** Who changes a brand, when and under which id. */
export type BrandContext = Pick<WriteContext, "commandId" | "at" | "principal">

/** Why a brand was not changed. */
export type BrandError = AccessDenied | CommandExists | StoreUnavailable

/** Brands of organizations: seen by anyone on their pages, changed by those who manage the organization. */
export class Brands extends Context.Service<
  Brands,
  {
    /** What the pages of an organization show; nothing of its own unless it has said so. */
    readonly of: (orgId: string) => Effect.Effect<Brand | undefined, StoreUnavailable>
    /** The same, for those who may change it; super keys name the organization. */
    readonly get: (
      principal: Principal,
      orgId?: string
    ) => Effect.Effect<Brand | undefined, AccessDenied | StoreUnavailable>
    /** Sets all of it. */
    readonly set: (context: BrandContext, request: BrandRequest, orgId?: string) => Effect.Effect<Brand, BrandError>
    /** Takes it away; one that is not there is not missed. */
    readonly remove: (context: BrandContext, orgId?: string) => Effect.Effect<void, BrandError>
  }
>()("@latchkey/core/Brands") {
  static readonly layer = Layer.effect(
    Brands,
    Effect.gen(function* () {
      const store = yield* EventStore
      const kept = new Map<string, At<Brand | undefined>>()

      const keep = (orgId: string, at: At<Brand | undefined>) => {
        kept.delete(orgId)
        if (at.version > 0) kept.set(orgId, at)
        for (const oldest of kept.keys()) {
          if (kept.size <= MOST_KEPT) break
          kept.delete(oldest)
        }
        return at.state
      }
      const of = (orgId: string) =>
        Effect.map(Effect.provideService(BrandStreams.fold(orgId, kept.get(orgId)), EventStore, store), (at) =>
          keep(orgId, at)
        )

      const write = Effect.fnUntraced(function* (
        context: BrandContext,
        asked: string | undefined,
        decide: (now: Brand | undefined) => ReadonlyArray<BrandEvent>
      ): Effect.fn.Return<Brand | undefined, BrandError> {
        const orgId = yield* Effect.fromResult(permitBrand(context.principal, asked))
        // From what is kept, not from its beginning: nothing keeps an organization from setting it every minute.
        const { after } = yield* BrandStreams.fold(orgId, kept.get(orgId)).pipe(
          Effect.flatMap((from) =>
            BrandStreams.transact(orgId, { ...context, orgId }, ({ state }) => decide(state), from)
          ),
          asOfCommand(context),
          Effect.provideService(EventStore, store)
        )
        return keep(orgId, after)
      })

      return {
        of,
        get: Effect.fnUntraced(function* (principal, asked) {
          return yield* of(yield* Effect.fromResult(permitBrand(principal, asked)))
        }),
        set: (context, request, asked) => {
          const brand = brandFrom(request)
          return Effect.as(
            write(context, asked, (now) => (isSame(now, brand) ? [] : [{ _tag: "BrandSet", ...brand }])),
            brand
          )
        },
        remove: (context, asked) =>
          Effect.asVoid(write(context, asked, (now) => (now === undefined ? [] : [{ _tag: "BrandRemoved" }])))
      }
    })
  )
}

const isSame = (a: Brand | undefined, b: Brand): boolean =>
  a !== undefined && a.name === b.name && a.color === b.color && a.logo?.png === b.logo?.png

const CHANGING = "changing a brand"

/** The organization whose brand it is: their own for those who manage one, any for a super key that names it. */
const permitBrand = (principal: Principal, asked: string | undefined): Result.Result<string, AccessDenied> =>
  Result.flatMap(permitKey(principal, "admin", CHANGING), () => {
    if (principal._tag === "Organization" && principal.orgId === (asked ?? principal.orgId))
      return Result.succeed(principal.orgId)
    if (principal._tag === "Super" && asked !== undefined && asked !== "" && asked !== OPERATOR)
      return Result.succeed(asked)
    const needed = "an API key of the organization, or a super key that names it by orgId"
    return Result.fail(new AccessDenied({ action: CHANGING, needed }))
  })
