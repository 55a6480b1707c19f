/** What the hardware is told. */
import { describe, expect, it } from "@effect/vitest"
import { addCommand, type DeviceCommand, toDocument } from "../src/device/DeviceCommand.ts"

const open: DeviceCommand = { _tag: "OpenLock", commandId: "command-2", seq: 2, issuedAt: 1_000, expiresAt: 11_000 }
const add: DeviceCommand = {
  _tag: "AddKey",
  commandId: "command-1",
  seq: 1,
  issuedAt: 0,
  keyUuid: "key-1",
  keyIndexNumber: 1
}

describe("a command for a device", () => {
  it("is a document without the id that it is kept under", () => {
    expect(toDocument(open)).toStrictEqual({ type: "OpenLock", seq: 2, issuedAt: 1_000, expiresAt: 11_000 })
    expect(toDocument(add)).toStrictEqual({ type: "AddKey", seq: 1, issuedAt: 0, keyUuid: "key-1", keyIndexNumber: 1 })
  })

  it("joins what is pending, which stays as it is", () => {
    expect(addCommand({ "command-1": toDocument(add) }, open, 1_000)).toStrictEqual({ "command-2": toDocument(open) })
  })

  it("drops what has expired: opening at its very end, key changes never", () => {
    const pending = { "command-1": toDocument(add), "command-2": toDocument(open) }
    const next: DeviceCommand = { ...open, commandId: "command-3", seq: 3 }
    const document = toDocument(next)
    expect(addCommand(pending, next, 10_999)).toStrictEqual({ "command-3": document })
    expect(addCommand(pending, next, 11_000)).toStrictEqual({ "command-2": null, "command-3": document })
    expect(addCommand(pending, next, 1e15)).toStrictEqual({ "command-2": null, "command-3": document })
  })

  it("leaves alone what it does not understand", () => {
    const pending = { a: null, b: { expiresAt: "soon" }, c: {} }
    expect(addCommand(pending, open, 1e15)).toStrictEqual({ "command-2": toDocument(open) })
  })

  it("takes the place of itself when it is sent again, expired or not", () => {
    expect(addCommand({ "command-2": toDocument(open) }, open, 20_000)).toStrictEqual({ "command-2": toDocument(open) })
  })
})
