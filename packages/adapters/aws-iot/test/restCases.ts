/**
 * What the AWS SDK is answered, case by case. The same cases run against the local service and against moto, an
 * independent implementation; where moto answers otherwise than AWS documents, the case says how and why.
 */
import {
  DeleteThingShadowCommand,
  GetThingShadowCommand,
  type IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  UpdateThingShadowCommand
} from "@aws-sdk/client-iot-data-plane"
import { expect } from "vitest"

export type Step =
  | readonly ["get" | "delete", shadowName?: string]
  | readonly ["update", document: unknown, shadowName?: string]
  | readonly ["list"]

/** A document, with `t` in the place of every timestamp; the names of shadows; or an error. */
export type Answer =
  | { readonly status: 200; readonly document: unknown }
  | { readonly status: 200; readonly names: ReadonlyArray<string> }
  | { readonly status: number; readonly error: string; readonly message: string }

export interface RestCase {
  readonly title: string
  readonly steps: ReadonlyArray<readonly [Step, Answer]>
  /** What moto answers instead, by the number of the step. */
  readonly moto?: { readonly why: string; readonly answers: { readonly [step: number]: Answer } }
}

const found = (document: unknown): Answer => ({ status: 200, document })
const named = (...names: ReadonlyArray<string>): Answer => ({ status: 200, names })
const failed = (status: number, error: string, message: string): Answer => ({ status, error, message })
const invalid = (message: string) => failed(400, "InvalidRequestException", message)
const missing = (name: string) =>
  failed(404, "ResourceNotFoundException", `No shadow exists with name: 'THING${name === "" ? "" : `~${name}`}'`)
/** A page of HTML, which the SDK cannot read. */
const BROKEN: Answer = { status: 500, error: "SyntaxError", message: expect.any(String) }
const MOTO_MISSING = failed(404, "ResourceNotFoundException", "The specified resource does not exist")

const t = "t"
const on = { desired: { led: "on" } }
const onStamped = { desired: { led: t } }

/** An object with so many levels of attributes, and what metadata it has. */
const nested = (levels: number, value: unknown = 1): object => ({
  deeper: levels === 1 ? value : nested(levels - 1, value)
})
const nestedStamps = (levels: number) => nested(levels, t)

export const REST_CASES: ReadonlyArray<RestCase> = [
  {
    title: "a wish makes the shadow, and is its delta until it is reported",
    steps: [
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [["get"], found({ state: { ...on, delta: { led: "on" } }, metadata: onStamped, version: 1, timestamp: t })],
      [
        ["update", { state: { reported: { led: "on" } } }],
        found({ state: { reported: { led: "on" } }, metadata: { reported: { led: t } }, version: 2, timestamp: t })
      ],
      [
        ["get"],
        found({
          state: { ...on, reported: { led: "on" } },
          metadata: { ...onStamped, reported: { led: t } },
          version: 2,
          timestamp: t
        })
      ]
    ]
  },
  {
    title: "what was never there can be neither read nor deleted",
    steps: [
      [["get"], missing("")],
      [["delete"], missing("")],
      [["get", "name"], missing("name")]
    ],
    moto: { why: "has its own message", answers: { 0: MOTO_MISSING, 1: MOTO_MISSING, 2: MOTO_MISSING } }
  },
  {
    title: "versions go on when a deleted shadow is made again",
    steps: [
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [["delete"], found({ version: 1, timestamp: t })],
      [["get"], missing("")],
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 2, timestamp: t })]
    ],
    moto: {
      why: "counts the deletion as a version; AWS's own example of the command answers with the version that it deleted",
      answers: {
        1: found({ version: 2, timestamp: t }),
        2: MOTO_MISSING,
        3: found({ state: on, metadata: onStamped, version: 3, timestamp: t })
      }
    }
  },
  {
    title: "named shadows stand apart from the classic one, and are listed",
    steps: [
      [["list"], named()],
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [
        ["update", { state: { reported: { a: 1 } } }, "b"],
        found({ state: { reported: { a: 1 } }, metadata: { reported: { a: t } }, version: 1, timestamp: t })
      ],
      [
        ["update", { state: { reported: { a: 2 } } }, "$a:_-1"],
        found({ state: { reported: { a: 2 } }, metadata: { reported: { a: t } }, version: 1, timestamp: t })
      ],
      [["list"], named("$a:_-1", "b")],
      [["delete", "b"], found({ version: 1, timestamp: t })],
      [["get", "b"], missing("b")],
      [["list"], named("$a:_-1")],
      [["get"], found({ state: { ...on, delta: { led: "on" } }, metadata: onStamped, version: 1, timestamp: t })]
    ],
    moto: {
      why: "lists shadows in the order in which they were made, and deleted ones too",
      answers: {
        4: named("b", "$a:_-1"),
        5: found({ version: 2, timestamp: t }),
        6: MOTO_MISSING,
        7: named("b", "$a:_-1")
      }
    }
  },
  {
    title: "an update that expects another version is refused",
    steps: [
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [["update", { state: on, version: 7 }], failed(409, "ConflictException", "Version conflict")],
      [["update", { state: on, version: 1 }], found({ state: on, metadata: onStamped, version: 2, timestamp: t })],
      [["update", { state: on, version: 1 }], failed(409, "ConflictException", "Version conflict")]
    ]
  },
  {
    title: "a shadow that never was is at version 0",
    steps: [
      [["update", { state: on, version: 0 }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })]
    ],
    moto: { why: "breaks", answers: { 0: BROKEN } }
  },
  {
    title: "a client token comes back",
    steps: [
      [
        ["update", { state: on, clientToken: "token-1" }],
        found({ state: on, metadata: onStamped, version: 1, timestamp: t, clientToken: "token-1" })
      ]
    ],
    moto: {
      why: "does not know client tokens",
      answers: { 0: found({ state: on, metadata: onStamped, version: 1, timestamp: t }) }
    }
  },
  {
    title: "null deletes an attribute, the last one its half with it",
    steps: [
      [
        ["update", { state: { desired: { a: 1, b: 2 } } }],
        found({ state: { desired: { a: 1, b: 2 } }, metadata: { desired: { a: t, b: t } }, version: 1, timestamp: t })
      ],
      [
        ["update", { state: { desired: { a: null } } }],
        found({ state: { desired: { a: null } }, metadata: { desired: { a: t } }, version: 2, timestamp: t })
      ],
      [
        ["get"],
        found({
          state: { desired: { b: 2 }, delta: { b: 2 } },
          metadata: { desired: { b: t } },
          version: 2,
          timestamp: t
        })
      ],
      [
        ["update", { state: { desired: { b: null } } }],
        found({ state: { desired: { b: null } }, metadata: { desired: { b: t } }, version: 3, timestamp: t })
      ],
      [["get"], found({ state: {}, metadata: {}, version: 3, timestamp: t })]
    ]
  },
  {
    title: "nothing is made of nothing but a version",
    steps: [
      [["update", { state: {} }], found({ state: {}, metadata: {}, version: 1, timestamp: t })],
      [
        ["update", { state: { desired: {} } }],
        found({ state: { desired: {} }, metadata: { desired: {} }, version: 2, timestamp: t })
      ],
      [
        ["update", { state: { reported: { online: null } } }],
        found({
          state: { reported: { online: null } },
          metadata: { reported: { online: t } },
          version: 3,
          timestamp: t
        })
      ],
      [["get"], found({ state: {}, metadata: {}, version: 3, timestamp: t })]
    ]
  },
  {
    title: "a null state clears both halves",
    steps: [
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [["update", { state: null }], found({ state: null, metadata: t, version: 2, timestamp: t })],
      [["get"], found({ state: {}, metadata: {}, version: 2, timestamp: t })]
    ]
  },
  {
    title: "a null half is cleared",
    steps: [
      [
        ["update", { state: { desired: { a: 1 }, reported: { a: 1 } } }],
        found({
          state: { desired: { a: 1 }, reported: { a: 1 } },
          metadata: { desired: { a: t }, reported: { a: t } },
          version: 1,
          timestamp: t
        })
      ],
      [
        ["update", { state: { desired: null } }],
        found({ state: { desired: null }, metadata: { desired: t }, version: 2, timestamp: t })
      ],
      [["get"], found({ state: { reported: { a: 1 } }, metadata: { reported: { a: t } }, version: 2, timestamp: t })]
    ],
    moto: {
      why: "does not clear a half; AWS documents that null does",
      answers: {
        1: found({ state: {}, metadata: {}, version: 2, timestamp: t }),
        2: found({
          state: { desired: { a: 1 }, reported: { a: 1 } },
          metadata: { desired: { a: t }, reported: { a: t } },
          version: 2,
          timestamp: t
        })
      }
    }
  },
  {
    title: "arrays are replaced whole, objects are merged, and the delta has every attribute that differs",
    steps: [
      [
        ["update", { state: { reported: { list: [[1], [2]], deep: { a: { b: 1, c: 2 } } } } }],
        found({
          state: { reported: { list: [[1], [2]], deep: { a: { b: 1, c: 2 } } } },
          metadata: { reported: { list: [[t], [t]], deep: { a: { b: t, c: t } } } },
          version: 1,
          timestamp: t
        })
      ],
      [
        ["update", { state: { desired: { list: [[1]], deep: { a: { b: 3 } }, empty: {} } } }],
        found({
          state: { desired: { list: [[1]], deep: { a: { b: 3 } }, empty: {} } },
          metadata: { desired: { list: [[t]], deep: { a: { b: t } }, empty: {} } },
          version: 2,
          timestamp: t
        })
      ],
      [
        ["get"],
        found({
          state: {
            desired: { list: [[1]], deep: { a: { b: 3 } }, empty: {} },
            reported: { list: [[1], [2]], deep: { a: { b: 1, c: 2 } } },
            delta: { list: [[1]], deep: { a: { b: 3 } }, empty: {} }
          },
          metadata: {
            desired: { list: [[t]], deep: { a: { b: t } }, empty: {} },
            reported: { list: [[t], [t]], deep: { a: { b: t, c: t } } }
          },
          version: 2,
          timestamp: t
        })
      ]
    ]
  },
  {
    title: "what is no update is refused, and changes nothing",
    steps: [
      [["update", { state: on }], found({ state: on, metadata: onStamped, version: 1, timestamp: t })],
      [["update", "{"], invalid("Invalid JSON")],
      [["update", {}], invalid("Missing required node: state")],
      [["update", { state: 1 }], invalid("State node must be an object")],
      [["update", { state: { colour: 1 } }], invalid("State contains an invalid node: 'colour'")],
      [["get"], found({ state: { ...on, delta: { led: "on" } }, metadata: onStamped, version: 1, timestamp: t })]
    ],
    moto: {
      why: "has words of its own",
      answers: {
        1: invalid("invalid json"),
        2: invalid("need node `state`"),
        3: invalid("state node must be an Object"),
        4: invalid("State contains an invalid node")
      }
    }
  },
  {
    title: "halves, versions and tokens must be what they are, and not too deep",
    steps: [
      [["update", { state: { desired: 1 } }], invalid("Desired node must be an object")],
      [["update", { state: { reported: [] } }], invalid("Reported node must be an object")],
      [["update", { state: on, clientToken: "x".repeat(65) }], invalid("Invalid clientToken")],
      [["update", { state: on, version: "1" }], invalid("Invalid version")],
      [
        ["update", { state: { desired: nested(7) } }],
        invalid("JSON contains too many levels of nesting; maximum is 6")
      ],
      [["get"], missing("")]
    ],
    moto: {
      why: "takes all of it, or breaks",
      answers: {
        0: BROKEN,
        1: found({ state: { reported: [] }, metadata: { reported: [] }, version: 1, timestamp: t }),
        2: found({ state: on, metadata: onStamped, version: 2, timestamp: t }),
        3: failed(409, "ConflictException", "Version conflict"),
        4: found({ state: { desired: nested(7) }, metadata: { desired: nestedStamps(7) }, version: 3, timestamp: t }),
        5: found({
          state: { desired: { led: "on", ...nested(7) }, delta: { led: "on", ...nested(7) } },
          metadata: { desired: { led: t, ...nestedStamps(7) } },
          version: 3,
          timestamp: t
        })
      }
    }
  },
  {
    title: "a shadow holds 8 KB over both halves",
    steps: [
      [
        ["update", { state: { desired: { a: "x".repeat(8180) } } }],
        found({
          state: { desired: { a: "x".repeat(8180) } },
          metadata: { desired: { a: t } },
          version: 1,
          timestamp: t
        })
      ],
      [
        ["update", { state: { reported: { abcdef: "x" } } }],
        failed(413, "RequestEntityTooLargeException", "The payload exceeds the maximum size allowed")
      ]
    ],
    moto: {
      why: "has no limit",
      answers: {
        1: found({
          state: { reported: { abcdef: "x" } },
          metadata: { reported: { abcdef: t } },
          version: 2,
          timestamp: t
        })
      }
    }
  }
]

/** Carries out a step as the SDK's user does. The thing's name is `THING` in messages. */
export const answerTo = async (client: IoTDataPlaneClient, thingName: string, step: Step): Promise<Answer> => {
  try {
    if (step[0] === "list") {
      const { results = [] } = await client.send(new ListNamedShadowsForThingCommand({ thingName }))
      return named(...results)
    }
    const shadowName = step[0] === "update" ? step[2] : step[1]
    const target = { thingName, ...(shadowName !== undefined && { shadowName }) }
    const { payload } =
      step[0] === "get"
        ? await client.send(new GetThingShadowCommand(target))
        : step[0] === "delete"
          ? await client.send(new DeleteThingShadowCommand(target))
          : await client.send(new UpdateThingShadowCommand({ ...target, payload: bytesOf(step[1]) }))
    return found(withoutTimes(JSON.parse(Buffer.from(payload ?? []).toString("utf8"))))
  } catch (error) {
    const { $metadata, name, message } = error as {
      readonly $metadata?: { readonly httpStatusCode?: number }
      readonly name: string
      readonly message: string
    }
    if ($metadata?.httpStatusCode === undefined) throw error
    return failed($metadata.httpStatusCode, name, message.replace(thingName, "THING"))
  }
}

const bytesOf = (document: unknown): Uint8Array =>
  Buffer.from(typeof document === "string" ? document : JSON.stringify(document))

/** `t` for `{ timestamp }`, and for a timestamp itself, of this minute. */
const withoutTimes = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(withoutTimes)
  if (typeof json !== "object" || json === null) return json
  const entries = Object.entries(json)
  if (entries.length === 1 && isNow(json["timestamp" as keyof typeof json])) return t
  return Object.fromEntries(
    entries.map(([key, value]) => [key, key === "timestamp" && isNow(value) ? t : withoutTimes(value)])
  )
}

const isNow = (value: unknown): boolean => Number.isInteger(value) && Math.abs(Number(value) - Date.now() / 1000) < 60
