/** Temp keys and their PINs for programs without Effect. */
import { Effect, Option } from "effect"
import type { PinKey } from "../temp-key/Pins.ts"
import type { SharedError } from "../temp-key/SharedCredentialError.ts"
import type { Shared, SharedCredentials, ShareError } from "../temp-key/SharedCredentials.ts"
import type { OpenDoorError, OpenedDoor, SharedDoors } from "../temp-key/SharedDoors.ts"
import type { TempKeys } from "../temp-key/TempKeys.ts"
import { given } from "../values/given.ts"
import { type Answering, type ErrorStyle, InvalidCommand, type SharedKeys } from "./Embedded.ts"
import {
  asked,
  decodeAsked,
  decodeChange,
  decodeLink,
  decodeNamed,
  decodePin,
  decodeShare
} from "./EmbeddedRequests.ts"

/** Without a key for PINs, what makes or takes one is refused, and all else goes on. */
export const embeddedSharedKeys = <Style extends ErrorStyle>(
  {
    shared,
    doors,
    tempKeys,
    pinKey
  }: {
    readonly shared: SharedCredentials["Service"]
    readonly doors: SharedDoors["Service"]
    readonly tempKeys: TempKeys["Service"]
    readonly pinKey: PinKey | undefined
  },
  answer: Answering<Style>
): SharedKeys<Style> => {
  /** What makes no PIN needs no key for them. */
  const withPins = <A, E>(use: (key: PinKey) => Effect.Effect<A, E>): Effect.Effect<A, E | InvalidCommand> =>
    pinKey === undefined
      ? Effect.catchDefect(use(NO_KEY), (defect) => (defect === KEY_NEEDED ? noPinKey : Effect.die(defect)))
      : use(pinKey)
  return {
    create: (key) =>
      answer(
        Effect.flatMap(
          decodeShare(key),
          (command): Effect.Effect<Shared & { readonly pin: string | null }, ShareError | InvalidCommand> =>
            withPins((key) => shared.share(command, key))
        )
      ),
    list: (principal, now, query = {}) => answer(asked({ principal, now }, () => shared.list(principal, query, now))),
    change: (name, changes, by) =>
      answer(
        Effect.flatMap(decodeChange({ ...changes, ...by, name }), ({ commandId, at, principal, receipt, ...rest }) => {
          const { ifVersion, name, ...request } = rest
          const context = { commandId, at, principal, ...given({ receipt, ifVersion }) }
          return withPins((key) => tempKeys.change(context, name, request, key))
        })
      ),
    suspend: (name, by) =>
      answer(Effect.flatMap(decodeNamed({ ...by, name }), ({ name, ...by }) => tempKeys.suspend(by, name))),
    resume: (name, by) =>
      answer(Effect.flatMap(decodeNamed({ ...by, name }), ({ name, ...by }) => tempKeys.resume(by, name))),
    newLink: (name, link, by) =>
      answer(
        Effect.flatMap(decodeLink({ ...by, name, link }), ({ name, link, ...by }) =>
          tempKeys.changeLink(by, name, link)
        )
      ),
    reissuePin: (name, by) =>
      answer(
        Effect.flatMap(decodeNamed({ ...by, name }), ({ name, ...by }) =>
          withPins((key) => tempKeys.reissuePin(by, name, key))
        )
      ),
    revoke: (name, by) =>
      answer(Effect.flatMap(decodeNamed({ ...by, name }), ({ name, ...by }) => tempKeys.end(by, name))),
    openDoor: (uuid, doorId, by) =>
      answer(Effect.flatMap(decodeAsked({ ...by, uuid, doorId }), (by) => doors.open({ ...by, uuid, doorId }))),
    openByPin: (entered) =>
      answer(
        Effect.flatMap(
          decodePin(entered),
          (pin): Effect.Effect<OpenedDoor, OpenDoorError | SharedError | InvalidCommand> =>
            pinKey === undefined ? noPinKey : doors.openByPin(pin, pinKey)
        )
      ),
    openedAt: (uuid, doorId, version) =>
      answer(
        asked({ uuid, doorId, version }, () => Effect.map(doors.opening(uuid, doorId, version), Option.getOrUndefined))
      )
  }
}

/** No PIN is made under it: see `withPins`. */
const NO_KEY: PinKey = {
  id: "",
  digest: () => {
    throw KEY_NEEDED
  }
}
const KEY_NEEDED = new Error("A PIN cannot be made without a key for PINs.")
const noPinKey = Effect.suspend(() =>
  Effect.fail(new InvalidCommand({ message: "PINs need a key: give createLatchkey a pinKey." }))
)
