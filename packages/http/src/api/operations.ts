/** What the description of the API says of each operation, by group and endpoint: its id for clients, and in words. */
import { commandWords, onLock, type Words } from "./commandRoutes.ts"

const linkOnly = "The link is the permission: nobody needs to sign in."

const others = {
  "locks.BulkAddKeys": [
    "bulkAddKeys",
    "Add many keys",
    `${onLock} Answers before they are added: ask for the progress.`
  ],
  "locks.remove-inherited-keys": [
    "removeInheritedKeys",
    "Remove the keys of a former side",
    `${onLock} Removes the keys from before the lock changed hands.`
  ],
  "locks.temp-keys": ["listLockTempKeys", "List the temp keys of a lock", onLock],
  "locks.details": ["getLockDetails", "Read everything about a lock", onLock],
  "locks.presence": ["listPresence", "List when the device was there", "The newest hundred changes, newest first."],
  "locks.exposure": [
    "getLockExposure",
    "List the keys that may still open",
    "Keys for which the hardware may still open, though it should not."
  ],
  "locks.basic-info": [
    "getLockBasicInfo",
    "Read the basic facts of a lock",
    "For owner, organization and key holders."
  ],
  "locks.residents": ["listResidents", "List the residents", onLock],
  "locks.events": [
    "listLockEvents",
    "Read the history of a lock",
    "Page by page: continue at `nextCursor`. Each side sees its own time."
  ],
  "locks.command": [
    "getCommand",
    "Ask what became of a command",
    "With `wait`, the answer may take that many seconds."
  ],
  "locks.audit.csv": ["getAuditCsv", "Export the history as CSV", "One row for each version, as it is read."],
  "locks.audit.ndjson": [
    "getAuditNdjson",
    "Export the history as JSON lines",
    "One line for each version, as it is read."
  ],
  "locks.bulk-add-keys": [
    "getBulkAddKeys",
    "Read the progress of many keys",
    "A key is added exactly when the log holds it."
  ],
  "users.owned-locks": [
    "listOwnedLocks",
    "List the locks of a user",
    "Users see their own; organizations see those of theirs."
  ],
  "users.keys": ["listUserKeys", "List the keys of a user", "Page by page: continue at `nextCursor`."],
  "users.remove-keys": [
    "removeUserKeys",
    "Remove all keys of a user",
    "Takes no filter. Ask again while `more` is `true`."
  ],
  "lists.locks": [
    "listLocks",
    "List and search locks",
    "A page may hold fewer locks than asked for, even none, and go on."
  ],
  "lists.attention": ["listAttention", "List what needs attention", "Each item says what to do."],
  "lists.overview": [
    "getOverview",
    "Count locks and what they need",
    "`lag` is how many events these numbers do not know yet."
  ],
  "temp-keys.share": [
    "createSharedKey",
    "Create a key to several doors",
    "The PIN, where a door takes one, is shown here and nowhere else."
  ],
  "temp-keys.list": ["listSharedKeys", "List temp keys", "Page by page: continue at `nextCursor`."],
  "temp-keys.change": ["updateSharedKey", "Change a temp key by its id or link", "What is left out stays."],
  "temp-keys.suspend": [
    "suspendSharedKey",
    "Suspend a temp key by its id or link",
    "It opens nothing until it is resumed."
  ],
  "temp-keys.resume": [
    "resumeSharedKey",
    "Resume a temp key by its id or link",
    "A key that is not suspended stays as it is."
  ],
  "temp-keys.new-link": [
    "changeSharedKeyLink",
    "Give a temp key a new link by its id or link",
    "The server draws the link unless one is given. The old one opens nothing any more."
  ],
  "temp-keys.reissue-pin": ["reissuePin", "Give a temp key a new PIN", "The new PIN is shown here and nowhere else."],
  "temp-keys.revoke": [
    "deleteSharedKey",
    "Delete a temp key by its id or link",
    "It opens nothing any more; the history stays."
  ],
  "pins.open-with-pin": [
    "openWithPin",
    "Open a lock with a PIN",
    "The PIN is the permission: nobody needs to sign in. Who guesses is locked out."
  ],
  "api-keys.api-keys": ["listApiKeys", "List API keys", "The newest thousand, oldest first, ended ones too."],
  "api-keys.create-api-key": ["createApiKey", "Create an API key", "The key is shown here and nowhere else."],
  "api-keys.revoke-api-key": ["deleteApiKey", "Revoke an API key", "Refused everywhere within two seconds."],
  "brand.get": [
    "getBrand",
    "Get the brand",
    "What guests' pages of the organization show; `null`: as the operator set them."
  ],
  "brand.set": ["setBrand", "Set the brand", "All of it: what the body leaves out there is not."],
  "brand.remove": ["deleteBrand", "Delete the brand", "The pages are then as the operator has set them."],
  "why.explain": [
    "explainAccess",
    "Explain why a lock opens or not",
    "Names exactly one key, PIN, attempt or event, or a user alone."
  ],
  "why.attempts": ["listAttempts", "List what was refused at a lock", "Page by page: continue at `nextCursor`."],
  "why.simulate-update-temp-key": [
    "simulateUpdateTempKey",
    "Try a change of a temp key",
    "Says which past uses would have been refused or accepted. Nothing is written."
  ],
  "events.events": [
    "listEvents",
    "Pull events",
    "Continue at `nextCursor`. With `wait`, the answer may take that many seconds."
  ],
  "events.stream": ["streamEvents", "Follow events", "Server-sent events; continue with `Last-Event-ID`."],
  "webhooks.create": ["createWebhook", "Create a webhook", "The secret is shown here and when it is rotated."],
  "webhooks.create-for": [
    "createWebhookFor",
    "Create a webhook for an organization",
    "The secret is shown here and when it is rotated."
  ],
  "webhooks.list": ["listWebhooks", "List webhooks", "All webhooks of an organization."],
  "webhooks.get": ["getWebhook", "Read a webhook", "How far it is behind, and why it is paused or disabled."],
  "webhooks.change": ["updateWebhook", "Change a webhook", "What is left out stays."],
  "webhooks.delete": ["deleteWebhook", "Delete a webhook", "Nothing is sent any more."],
  "webhooks.rotate-secret": [
    "rotateWebhookSecret",
    "Rotate the secret of a webhook",
    "The previous secret signs beside the new one until `previousUntil`."
  ],
  "webhooks.enable": ["enableWebhook", "Enable a webhook", "Goes on where it stopped."],
  "webhooks.disable": ["disableWebhook", "Disable a webhook", "Nothing is sent until it is enabled."],
  "webhooks.test": ["testWebhook", "Send a test to a webhook", "Says what the receiver answered."],
  "webhooks.replay": [
    "replayWebhook",
    "Send events again",
    "Begins at one of `after` (a cursor) and `since` (an instant)."
  ],
  "webhooks.deliveries": ["listDeliveries", "List deliveries", "The newest first: continue with `before`."],
  "webhooks.retry": ["retryDelivery", "Send one event again", "Sent once more, whatever became of it before."],
  "webhooks.dismiss": [
    "dismissDelivery",
    "Dismiss an event that was given up",
    "It is not listed any more, and cannot be delivered again from there."
  ],
  "guests.page": ["getKeyPage", "Show the page of a key", linkOnly],
  "guests.open": ["openWithKey", "Open with a key", `${linkOnly} Browsers are sent to the confirmation.`],
  "guests.open-door": [
    "openDoorWithKey",
    "Open one door of a key",
    `${linkOnly} Browsers are sent to the confirmation.`
  ],
  "guests.calendar": [
    "getGuestCalendar",
    "Get when a key works, for a calendar",
    "iCalendar, without the link. Of a key that its guest cannot use: 303 to its page."
  ],
  "guests.confirmation": [
    "getConfirmation",
    "Ask what became of an opening",
    `${linkOnly} JSON for those who ask for it.`
  ],
  "guests.back-from-open": ["returnFromOpen", "Return to the page of a key", "Opens nothing: shows the key again."],
  "guests.back-from-door": [
    "returnFromDoor",
    "Return to the page of a key from a door",
    "Opens nothing: shows the key again."
  ],
  "guests.back-from-sign-in": [
    "returnFromSignIn",
    "Return to the page of a key from signing in",
    "Signs nobody in: shows the key again."
  ],
  "guests.sign-in": [
    "signInToKey",
    "Sign in on the page of a key",
    "Keys that are for some users alone ask for a token."
  ]
} as const satisfies { readonly [endpoint: string]: Words }

type CommandWords = typeof commandWords
const commands = Object.fromEntries(Object.entries(commandWords).map(([path, words]) => [`locks.${path}`, words])) as {
  readonly [Path in keyof CommandWords as `locks.${Path}`]: CommandWords[Path]
}

export const operations = { ...commands, ...others }

/** What each group is about. */
export const groups: { readonly [group: string]: string } = {
  locks: "Locks, their keys, residents and temp keys.",
  users: "What users have.",
  lists: "Lists across locks.",
  "temp-keys": "Temp keys to one door or several, by id or link.",
  pins: "What opens with a PIN.",
  "api-keys": "API keys of an organization.",
  brand: "Whose guests' pages are.",
  why: "Why a lock opens or not.",
  events: "Events of an organization, to pull and to follow.",
  webhooks: "Webhooks of an organization, and what was sent.",
  guests: "What guests meet: pages for browsers, JSON for apps."
}

/** Parameters by name, wherever they are. */
export const parameters: { readonly [name: string]: string } = {
  actor: "Only what this user did.",
  after: "Where to continue: a cursor, or for an audit a version.",
  at: "The instant that is asked about; now unless given.",
  attemptId: "The event that recorded an attempt.",
  attention: "Only locks that need attention, or do not, or need it for this.",
  battery: "Only locks with this state of the battery.",
  before: "The `nextBefore` of the page before.",
  commandId: "The id that the command was answered with.",
  cursor: "The `nextCursor` of the page before.",
  door: "The number of the door.",
  doorId: "The number of the door.",
  eventId: "The id of an event.",
  from: "From this instant on.",
  id: "Which one is meant.",
  "idempotency-key": "A retry with the same key is answered as the first try was.",
  "if-match": "Only at this version: the `ETag` of the lock or temp key.",
  "if-none-match": "Answered 304 while it is still the `ETag`.",
  instanceId: "The id that the command was answered with.",
  keyId: "The id of the API key.",
  keyUuid: "A key of the lock.",
  kind: "Only what needs attention for this.",
  "last-event-id": "The last event that was received.",
  limit: "How many at most.",
  lockId: "Only this lock.",
  offline: "What the answer to the opening said.",
  online: "Only locks whose device is connected, or is not.",
  opened: "The use that is confirmed.",
  order: "The oldest first, or the newest.",
  orgId: "The organization that is meant; super keys alone name another than their own.",
  outcome: "Only deliveries that ended so.",
  ownerId: "Only locks of this user.",
  page: "The page, from 1.",
  pinAttempt: "The newest PIN that was entered.",
  pinOf: "A temp key: the question is whether its PIN opens the lock.",
  q: "Words to search for.",
  sort: "By number or by name.",
  status: "Only keys of this status, or several with commas between.",
  ids: "Only these, by their ids with commas between: 100 at most.",
  tempKeyUuid: "A temp key of the lock.",
  to: "Up to this instant.",
  types: "Only events of these types, with commas between.",
  userId: "A user.",
  uuid: "The id of the temp key, or its link.",
  wait: "Seconds to wait for an answer.",
  lang: "The language of the page, by its word in the page's switch, such as `de`. Other words are left aside."
}

/** Answers by status, as every operation describes them. */
export const errors: { readonly [status: string]: readonly [name: string, description: string] } = {
  400: ["InvalidRequest", "The request is not valid: `details` says where."],
  401: ["Unauthorized", "No credential, or one that is not valid."],
  403: ["Forbidden", "The caller may not do this."],
  404: ["NotFound", "What is named is not there, or is not the caller's to know."],
  405: ["MethodNotAllowed", "The path does not have this method: `Allow` lists those that it has."],
  408: ["RequestTimeout", "The request did not arrive in time."],
  409: ["Conflict", "The state does not allow it, or the idempotency key is in use."],
  412: ["PreconditionFailed", "`If-Match` names another version: `version` is the present one."],
  413: ["BodyTooLarge", "The body has more than 64 KB."],
  415: ["UnsupportedMediaType", "The body is of a type that is not read here."],
  422: ["IdempotencyKeyReused", "The idempotency key belongs to another request."],
  429: ["TooManyRequests", "Too much was asked in a short time: `Retry-After` says when to ask again."],
  431: ["HeadersTooLarge", "The path and the headers are too long."],
  500: ["InternalError", "The server is broken; its log says how."],
  501: ["NotImplemented", "The `Transfer-Encoding` is not known."],
  502: ["DeviceUnreachable", "The device was not reached: `advice` says what was recorded, and what to do."],
  503: ["Unavailable", "Try again in a moment."]
}
