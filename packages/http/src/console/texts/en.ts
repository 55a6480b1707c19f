/** All words of the console, in English. Another language is another file of the same shape. */
/** What the words of an event are made of. */
export interface EventWords {
  readonly key: string
  readonly user: string
  readonly tempKey: string
  readonly data: (field: string) => string
}

const named = (name: string) => (name === "" ? "" : ` (${name})`)

/** What a lock may need somebody for. */
const lockKinds = {
  offline: "not connected",
  "battery-low": "battery low",
  "bolt-jammed": "bolt jammed",
  "door-forced": "door forced",
  "door-left-open": "door left open",
  "key-failed": "key not written",
  "key-exposed": "old key still opens",
  "key-foreign": "unknown key on the lock",
  "wrong-pins": "wrong PINs"
} as const

/** What a lock may be told. */
const commands: Readonly<Record<string, string>> = {
  OpenLock: "Open",
  LockDevice: "Lock",
  AddKey: "Take a key",
  RemoveKey: "Remove a key",
  WriteKey: "Take a key again"
}

export const en = {
  lang: "en",
  /** How times are written. */
  locale: "en-GB",
  layout: {
    brand: "Latchkey",
    skip: "Skip to the page",
    navigation: "Main",
    operator: "the operator",
    signedIn: (who: string) => `Signed in as ${who}`,
    signOut: "Sign out",
    places: {
      overview: "Overview",
      attention: "Attention",
      locks: "Locks",
      tempKeys: "Temp keys",
      webhooks: "Webhooks",
      apiKeys: "API keys",
      health: "Health"
    }
  },
  live: {
    live: "Live: this page updates by itself",
    lost: "Connection lost: what you see may be out of date. Trying again…",
    ended: "Not live any more.",
    reload: "Reload the page"
  },
  api: {
    same: (count: number) =>
      count === 1 ? "The API call that does the same" : `The ${count} API calls that do the same`,
    key: "In a terminal, with your API key in $KEY:",
    token: "In a terminal, with your token in $TOKEN:"
  },
  signIn: {
    title: "Sign in",
    about: "Sign in with an API key of your organization, a super key, or a user's token.",
    label: "API key or token",
    hint: "You see and can do what it allows. The session ends when the key does, when you close the browser, and after twelve hours.",
    button: "Sign in",
    onTheWay: "One moment",
    goOn: "Go on to the console"
  },
  problems: {
    title: "That did not work",
    home: "To the console",
    stale: {
      title: "This form is out of date",
      text: "Nothing was done. Load the page again, and send the form from there."
    },
    unusable: {
      title: "That is not a key or token",
      text: "Paste the whole API key, or the whole token, without spaces. A token may have at most 2,800 characters."
    },
    notForm: {
      title: "Not a form",
      text: "The console takes forms of its own pages. Programs use the API: see /docs."
    },
    missing: { title: "No such page", text: "The console has no page at this address." },
    method: { title: "Method not allowed", text: "The console takes GET and POST." }
  },
  actions: {
    forGood: "This cannot be undone.",
    cancel: "Cancel",
    back: "Back",
    done: "Done.",
    answer: "What the API answered",
    notAllowed: (scope: string) => `Your API key is not for this: it takes one with the scope “${scope}”.`
  },
  health: {
    title: "Health",
    ready: "This server is ready: its store answers, and takes what it is given.",
    notReady: "This server cannot serve.",
    store: "Store of the read model",
    consumers: "Who reads the log",
    consumer: "Reader",
    behind: "Events behind",
    upToDate: "up to date",
    leases: "What one server does for all",
    work: "Work",
    holder: "Done by",
    noLeases: "Nothing yet: this server has just started.",
    caption: "How far each reader of the log has come"
  },
  overview: {
    title: "Overview",
    find: "Find a lock",
    now: "Now",
    locks: "Locks",
    online: "Connected",
    batteryLow: "Battery low",
    webhooks: "Webhooks that fail or are disabled",
    lag: (count: number) => `These numbers are ${count} events behind: load the page again in a moment.`,
    lagUnknown: "Nobody can tell how current these numbers are.",
    first: {
      title: "You have no lock yet",
      steps: [
        "Have the device at hand: its id, and its claim code if it came with one. Without a code for it, ask the operator of this server.",
        "Set up a lock: give it a number and the id. From then on the device belongs to it.",
        "Say what it is called and where it is. Guests see that, and times are told in its time zone.",
        "Make a temp key for a guest or a cleaner, and send its link."
      ],
      others: "Whoever manages the locks sets one up, or makes it yours."
    }
  },
  attention: {
    title: "Needs somebody",
    none: "Nothing needs you.",
    noneYet: "Nothing among what was looked at so far.",
    more: "More",
    where: "Where",
    what: "What",
    since: "Since",
    sinceWhen: "since",
    todo: "What to do",
    keys: (count: number) => (count === 1 ? "One key." : `${count} keys.`),
    kinds: { ...lockKinds, "webhook-failing": "webhook fails", "webhook-disabled": "webhook disabled" }
  },
  locks: {
    title: "Locks",
    q: "Number, name, address, hardware, key, user or link",
    find: "Find",
    all: "all",
    none: "No locks match.",
    noneYet: "None among those looked at so far.",
    more: "More",
    lock: "Lock",
    opened: "Last opened",
    sort: "In order of",
    byNumber: "number",
    byName: "name",
    connection: "Connection",
    onlines: { true: "connected", false: "not connected" },
    battery: "Battery",
    batteries: { low: "low", good: "good", unknown: "not known" },
    level: (percent: number) => `${percent} %`,
    attention: "Needs somebody",
    anything: "for anything",
    nothing: "for nothing",
    kinds: lockKinds
  },
  lock: {
    title: (id: string) => `Lock ${id}`,
    describe: "Name and place",
    retire: "Take out of service",
    zone: (zone: string) => `Times are in ${zone}.`,
    open: "Open the door",
    newTempKey: "New temp key",
    sync: "Bring the keys in line",
    ask: "Ask why",
    pictures: "Pictures",
    now: "Now",
    facts: {
      number: "Number",
      bolt: "Bolt",
      door: "Door",
      battery: "Battery",
      low: "low",
      firmware: "Firmware",
      clock: (seconds: number) => `The lock's clock is wrong by ${seconds} s`,
      seen: "Last state from the lock",
      never: "The lock has not said anything of itself yet.",
      owner: "Owner",
      organization: "Organization",
      hardware: "Hardware",
      address: "Address",
      contact: "Contact",
      instructions: "Guests are told",
      nobody: "nobody"
    },
    keys: {
      title: "Keys",
      none: "No permanent keys.",
      caption: "Permanent keys, and what the lock has said of them",
      key: "Key",
      slot: "Slot",
      holder: "Holder",
      hardware: "On the lock",
      inherited: "from a former owner",
      states: {
        confirmed: "confirmed",
        sent: "sent, waiting for the lock",
        waiting: "to be sent",
        failed: "failed, will be tried again",
        attention: "failed: needs you",
        unknown: "not known"
      },
      exposed: "The lock may still open for these, though it should not:",
      since: "since",
      reasons: {
        removed: "removed here, not yet on the lock",
        inherited: "from a former owner",
        foreign: "on the lock, added by nobody here"
      },
      removeInherited: "Remove keys of a former owner"
    },
    tempKeys: {
      title: "Temp keys",
      none: "None opens the door now, or will.",
      more: "All temp keys of this lock",
      caption: "Temp keys with a door at this lock",
      name: "Temp key",
      status: "Status",
      until: "Works until"
    },
    pending: {
      tooLate: "too late",
      title: "Waiting for the lock",
      none: "Nothing: the lock has answered everything.",
      caption: "Commands that the lock has not answered",
      command: "Command",
      asked: "Asked for",
      types: commands
    },
    timeline: {
      title: "What happened",
      caption: "What happened, newest first",
      none: "Nothing matches.",
      when: "When",
      what: "What",
      who: "Who",
      outcome: "Outcome",
      why: "Why?",
      whyOf: (what: string) => `Why? ${what}`,
      older: "Older",
      newest: "Newest",
      refusals: "Refusals of this time could not be listed."
    },
    filter: {
      title: "Filter",
      kind: "Show",
      kinds: {
        all: "Everything",
        openings: "Openings and refusals",
        keys: "Keys",
        tempKeys: "Temp keys",
        hardware: "Hardware"
      },
      who: "Who did it (id of a user, an organization or an API key)",
      from: "From",
      to: "Before",
      button: "Filter"
    }
  },
  device: {
    title: (lock: string) => `Device: ${lock}`,
    link: "Device",
    slots: "Slots for keys",
    connection: {
      title: "Connection",
      online: "connected",
      offline: "not connected",
      never: "never connected",
      unknown: "nobody can tell now",
      since: "since",
      lastSeen: "Last heard of"
    },
    reasons: {
      saidGoodbye: "The lock ended its connection by itself.",
      connectionLost: "The connection broke.",
      silent: "Nothing was heard of the lock.",
      serverGone: "The server that it was connected to is gone.",
      turnedAway: "The server ended its connection: its secret has ended, or it sent what it may not."
    },
    foreign: {
      title: "Keys that nobody added here",
      none: "None that the lock has told of.",
      mayHoldOthers:
        "The device was another lock's, or may have been, and has not said yet what it holds: other keys may open it.",
      since: "since",
      todo: "What to do"
    },
    left: {
      title: "On the device before",
      about:
        "These keys may still open the device that this lock had before, wherever it is now. Clear it before you use it elsewhere.",
      thing: "Device"
    },
    claim: {
      title: "Whose device it is",
      about:
        "A device belongs to one lock at a time. It is free again when its lock gets another, or is taken out of service.",
      operator: "Only the operator can give this lock another device.",
      codes:
        "A claim code proves that a device is yours when you set up its lock, once. The operator makes it, with the device's secret, in a terminal on the server. Neither is kept, so neither can be shown here:"
    },
    change: {
      title: (lock: string) => `Another device? ${lock}`,
      will: "The lock gets a device that no other lock has, and all of its keys are sent to it. The device of now is free for another lock.",
      forGood: "Keys that are on the device of now stay on it, and open it until it is cleared.",
      button: "Another device"
    },
    move: {
      title: (lock: string) => `Move a device here? ${lock}`,
      will: "The lock gets the device, whichever locks have it. This also decides between locks that are on the same device.",
      forGood: "The locks that had it have no device then: they open nothing until you give them another.",
      button: "Move a device here"
    },
    removeKey: {
      of: (key: string) => `Remove key ${key}`,
      title: (key: string) => `Remove key ${key}?`,
      will: "The key is removed from the lock: at once if it is connected, or else as soon as it is.",
      forGood: "Latchkey cannot put back a key that somebody else wrote.",
      button: "Remove"
    }
  },
  presence: {
    title: "When it was connected",
    gone: (count: number) =>
      count === 0
        ? "Not gone in the last 7 days, as far as is known."
        : count === 1
          ? "Gone once in the last 7 days. Absences of less than a minute are left out."
          : `Gone ${count} times in the last 7 days. Absences of less than a minute are left out.`,
    numbers: "When, and why it went",
    since: "Since",
    what: "Connection"
  },
  timeline: {
    somebody: "somebody",
    saying: (detail: string) => `The lock says: ${detail}`,
    via: { link: "by link", PIN: "by PIN", API: "by the API", key: "with a key" },
    principals: {
      User: "a user",
      Organization: "the organization",
      Super: "the operator",
      Guest: "a guest",
      System: "Latchkey"
    },
    outcomes: {
      done: "Done: the lock did it.",
      failed: "The lock could not do it.",
      expired: "Came too late: the lock was told, but was not reached in time.",
      pending: "Sent. The lock has not answered yet.",
      silent: "The lock did not answer: it was probably not connected."
    },
    refused: {
      "temp-key": (_: string, name: string | undefined) => `Refused: temp key ${name ?? "that was deleted"}`,
      PIN: (_: string, name: string | undefined) =>
        name === undefined ? "Refused: wrong PIN" : `Refused: PIN of temp key ${name}`,
      command: (command: string, _: string | undefined) => `Refused: ${command}`
    },
    reasons: {
      expired: "The key had expired.",
      "used-up": "The key had been used as often as allowed.",
      "not-yet-valid": "The key did not work at that time.",
      suspended: "The key was suspended.",
      withdrawn: "Whoever gave the key may no longer give it.",
      "not-on-whitelist": "The key is for other people.",
      "pin-needed": "This door opens with the PIN, not the link.",
      "pin-refused": "No key had this PIN at that time.",
      "access-denied": "They may not do this.",
      retired: "The lock had been taken out of service.",
      "no-device": "The lock had no device.",
      disputed: "Other locks were on the same device."
    } as Readonly<Record<string, string>>,
    /** By type of event; what is not here is shown by its name. */
    events: {
      LockCreated: "Lock set up",
      OwnerSet: ({ data }: EventWords) => (data("userId") === "" ? "Owner removed" : `Owner set: ${data("userId")}`),
      OrganizationSet: ({ data }: EventWords) =>
        data("orgId") === "" ? "Organization removed" : `Organization set: ${data("orgId")}`,
      KeyAdded: ({ key, user }: EventWords) => `Key ${key} added${named(user)}`,
      KeyRemoved: ({ key }: EventWords) => `Key ${key} removed`,
      KeyWriteRequested: ({ key }: EventWords) => `Key ${key} written to the lock again`,
      KeyAdditionSent: ({ key }: EventWords) => `Lock told to take key ${key}`,
      KeyRemovalSent: ({ key }: EventWords) => `Lock told to remove key ${key}`,
      KeysSyncRequested: "Keys brought in line with the lock",
      KeyNeedsAttention: ({ key, data }: EventWords) =>
        `Key ${key} needs you: the lock ${data("reason") === "silent" ? "does not answer" : "failed too often"}`,
      LockOpenRequested: ({ tempKey, data }: EventWords) =>
        `Told to open${tempKey === "" ? "" : `: temp key ${tempKey}`}${data("reason") === "" || tempKey !== "" ? "" : ` (${data("reason")})`}`,
      LockDeviceRequested: "Told to lock",
      LockUuidChanged: "Hardware replaced",
      LockRetired: "Lock retired",
      LockDescribed: "Name and place changed",
      ClaimMoved: "Hardware given to this lock by the operator",
      ClaimLost: "Hardware given to another lock by the operator",
      ResidentAdded: ({ data }: EventWords) => `Resident ${data("name")} added`,
      ResidentRemoved: ({ user }: EventWords) => `Resident removed${named(user)}`,
      TempKeyCreated: ({ tempKey }: EventWords) => `Temp key ${tempKey} made`,
      TempKeyUpdated: ({ tempKey }: EventWords) => `Temp key ${tempKey} changed`,
      TempKeySuspended: ({ tempKey }: EventWords) => `Temp key ${tempKey} suspended`,
      TempKeyResumed: ({ tempKey }: EventWords) => `Temp key ${tempKey} resumed`,
      TempKeyLinkChanged: ({ tempKey }: EventWords) => `Temp key ${tempKey}: new link`,
      TempKeyDeleted: ({ tempKey }: EventWords) => `Temp key ${tempKey} ended`,
      TempKeyUsed: ({ tempKey, data }: EventWords) => `Temp key ${tempKey} used (use ${data("usedCount")})`,
      TempKeyUseReturned: ({ tempKey }: EventWords) => `Use of temp key ${tempKey} given back: the lock did not open`,
      CommandOutcomeReported: ({ data }: EventWords) => {
        const type = data("commandType")
        return `The lock answered: ${commands[type]?.toLowerCase() ?? type}`
      },
      DeviceStateReported: ({ data }: EventWords) =>
        [
          "The lock says",
          data("bolt") && `bolt ${data("bolt")}`,
          data("door") && `door ${data("door")}`,
          data("battery") && `battery ${data("battery")} %`
        ]
          .filter(Boolean)
          .join(", ")
          .replace(",", ":"),
      BatteryLow: ({ data }: EventWords) => `Battery low${data("battery") === "" ? "" : `: ${data("battery")} %`}`,
      BoltJammed: "The bolt is jammed",
      DoorForced: "The door was forced",
      DoorLeftOpen: "The door was left open",
      OpenedAtDoor: ({ key, data }: EventWords) =>
        ({
          key: `Opened at the door with key ${key}`,
          pin: "Opened at the door with a PIN",
          thumbTurn: "Opened from inside",
          outsideHandle: "Opened by the outside handle"
        })[data("by")] ?? "Opened at the door",
      OpeningsMissed: ({ data }: EventWords) => `${data("missed")} openings at the door that nothing is known of`
    }
  },
  why: {
    title: (lock: string) => `Why? ${lock}`,
    about: "Ask whether somebody could open this lock at an instant, and by which rule.",
    who: "Who or what",
    user: "A user, by id",
    key: "A permanent key, by id",
    id: "Id of the user or key; of a temp key, for which user (optional)",
    tempKey: "A temp key",
    at: "At",
    now: "now, unless given",
    button: "Ask",
    yes: "It opens.",
    no: "It does not open.",
    was: "It was allowed.",
    wasNot: "It was refused.",
    rule: "Rule",
    wall: "The clock on the wall showed",
    next: "Time alone changes this next",
    recorded: "What was recorded",
    rests: "What the answer rests on",
    restsCaption: "The events that made it so",
    event: "Event",
    when: "When",
    by: "By",
    attempt: "What decided then",
    rules: {
      valid: "The temp key was valid",
      "key-on-lock": "The key is on the lock",
      owner: "The owner of the lock",
      "key-holder": "Somebody who holds a key",
      "valid-until": "The temp key had ended",
      "max-uses": "The temp key had no uses left",
      "valid-from": "The temp key had not begun",
      schedule: "Outside the weekly times of the temp key",
      whitelist: "The temp key is for other people",
      "unknown-time-zone": "The time zone of the schedule is not known",
      deleted: "The temp key was ended",
      "key-removed": "The key was removed",
      organization: "The organization of the lock",
      operator: "The operator",
      "new-lock": "Whoever set the lock up",
      device: "The lock said so",
      latchkey: "Latchkey did it by itself",
      "no-such-lock": "There was no such lock",
      "no-such-key": "There was no such key",
      "key-of-another": "The key is somebody else's",
      "no-right": "No right to open this lock",
      "pin-needed": "This door takes the PIN only",
      "link-needed": "This door takes the link only",
      withdrawn: "Whoever gave the key may no longer give it",
      retired: "The lock is retired",
      "no-device": "The lock has no hardware",
      disputed: "Several locks are on this hardware",
      "unknown-pin": "No key had this PIN",
      "rules-of-then": "It was decided by the rules of that time"
    } as Readonly<Record<string, string>>
  },
  tempKeys: {
    title: "Temp keys",
    one: "Temp key",
    make: "New temp key",
    lock: "Lock number",
    status: "Status",
    all: "All",
    current: "Works, or will",
    filter: "Filter",
    none: "No temp keys here.",
    noneYet: "None so far: go on with “More”.",
    name: "Temp key",
    doors: "Doors",
    door: "Door",
    until: "Works until",
    more: "More",
    terms: "When and for whom",
    uses: "Uses",
    anyUses: (used: number) => `${used}, no limit`,
    someUses: (used: number, most: number) => `${used} of ${most}`,
    for: "For",
    anyone: "anyone who has the link",
    madeBy: "Made by",
    id: "Id",
    next: "Time alone changes the status next",
    week: "Every week",
    opensBy: "Opens",
    link: "Link",
    linkHint: "Send it to the guest. Whoever has it can use the key.",
    linkLabel: "The guest's link",
    qr: "The link as a QR code",
    asGuest: "See the page as the guest sees it (opens nothing by itself)",
    show: "Show this key",
    pin: "PIN",
    pinOnce: "Note it now: it is shown this once. A new one can be drawn any time.",
    try: "What would this have changed?",
    tried: (accepted: number, refused: number) =>
      `So far this key was used ${accepted} times, and refused ${refused} times. With these terms:`,
    wouldRefuse: (count: number) => `${count} of those uses would have been refused.`,
    wouldAccept: (count: number) => `${count} of those refusals would have been let in.`,
    change: {
      title: "Change this temp key?",
      will: "From now on the key works as you say here. Its link, its PIN and its uses so far stay.",
      button: "Change"
    },
    suspend: {
      title: "Suspend this temp key?",
      will: "It opens nothing from now on, by link or PIN, until you resume it. Its guest sees that it does not work.",
      button: "Suspend"
    },
    resume: {
      title: "Resume this temp key?",
      will: "It opens again, within its times.",
      button: "Resume"
    },
    newLink: {
      title: "A new link for this temp key?",
      will: "The key gets a new link; send it to the guest. PIN and terms stay.",
      forGood: "The link of now opens nothing any more.",
      button: "New link"
    },
    newPin: {
      title: "A new PIN for this temp key?",
      will: "The key gets a new PIN, which is shown once. Link and terms stay.",
      forGood: "The PIN of now opens nothing any more.",
      button: "New PIN"
    },
    end: {
      title: "End this temp key?",
      will: "Its link and its PIN open nothing any more. What it was used for stays in the history.",
      forGood: "To let the guest in again, make a new key.",
      button: "End"
    },
    suspended: "suspended",
    statuses: {
      valid: "works",
      "not-yet-valid": "not now",
      expired: "ended",
      "used-up": "used up",
      deleted: "ended"
    } as Readonly<Record<string, string>>
  },
  apiKeys: {
    title: "API keys",
    none: "No API keys but those that the operator configured.",
    name: "Name",
    nameLabel: "What you call it (optional)",
    scopes: "For what",
    everything: "everything but API keys",
    locks: "Locks",
    allLocks: "all",
    locksLabel: "Only for these locks, by number (optional)",
    created: "Made",
    status: "Status",
    ended: "ended",
    notAll: (shown: number, all: number) => `The first ${shown} of ${all}.`,
    revokeOf: (name: string) => `Revoke ${name}`,
    key: "The key",
    keyOnce: "Note it now: it is shown this once, and kept nowhere.",
    keyShown: "The key was shown before. If you have not noted it, revoke it and make another.",
    scopeWords: {
      open: "open doors",
      read: "see locks and what happened",
      keys: "permanent keys and residents",
      "temp-keys": "temp keys and their links",
      admin: "all of these, owners, webhooks and API keys"
    },
    new: {
      title: "A new API key?",
      will: "Whoever has the key can do what you choose here, until you revoke it.",
      button: "Make a key"
    },
    revoke: {
      title: "Revoke this API key?",
      will: "It is refused everywhere within two seconds, and whoever is signed in here with it is signed out. Temp keys that it made stay.",
      forGood: "To let its program in again, make a new key.",
      button: "Revoke"
    }
  },
  webhooks: {
    title: "Webhooks",
    one: "Webhook",
    none: "No webhooks: nobody is told of events.",
    url: "Address",
    urlLabel: "Address (https://…)",
    description: "What you call it (optional)",
    status: "Status",
    statuses: { pending: "being checked", active: "active", paused: "paused", disabled: "disabled" },
    lag: "Events behind",
    lastSuccess: "Last success",
    never: "never",
    events: "Events",
    allEvents: "all",
    eventsLabel: "Events, by type with spaces between; * is all",
    locks: "Locks",
    allLocks: "all",
    locksLabel: "Only of these locks, by number (optional)",
    payload: "What it is told",
    payloads: { full: "the whole event", thin: "type, lock and time only, nothing about people" },
    outcomes: { "": "All", delivered: "delivered", failed: "failed", "given-up": "given up" },
    event: "Event",
    deliveries: "Attempts",
    noDeliveries: "None.",
    attempt: (count: number) => `attempt ${count}`,
    again: "Again",
    since: "Since",
    secret: "The secret",
    secretHint: "Your receiver checks signatures with it. It is not shown again; a new one can be made any time.",
    new: {
      title: "A new webhook?",
      will: "The address is asked to answer a challenge; then it is told of every event of your organization.",
      button: "New webhook"
    },
    change: {
      title: "Change this webhook?",
      will: "Deliveries go on as you say here, from the next one on. A new address is asked to answer a challenge first.",
      button: "Change"
    },
    test: { title: "Send a test?", will: "One test event is sent now, and its answer shown.", button: "Test" },
    enable: {
      title: "Enable this webhook?",
      will: "It is told of everything since it was last told, in order.",
      button: "Enable"
    },
    disable: {
      title: "Disable this webhook?",
      will: "Nothing is sent until it is enabled. Nothing is lost meanwhile.",
      button: "Disable"
    },
    rotate: {
      title: "A new secret for this webhook?",
      will: "Deliveries are signed with the old and the new secret for 24 hours, then with the new one alone.",
      forGood: "After 24 hours a receiver that knows the old one alone refuses everything.",
      button: "New secret"
    },
    replay: {
      title: "Send events again?",
      will: "Events since the instant are sent again, beside the new ones. Receivers know them by their ids.",
      button: "Send again"
    },
    retry: {
      of: (type: string) => `Send again: ${type}`,
      title: "Send this event again?",
      will: "The event is sent again now, whatever became of it before.",
      button: "Send again"
    },
    dismiss: {
      of: (type: string) => `Dismiss ${type}`,
      title: "Dismiss this event?",
      will: "It is not among those that were given up any more. The receiver is not told of it, unless you send the events of that time again.",
      button: "Dismiss"
    },
    delete: {
      title: "Delete this webhook?",
      will: "It is told nothing more.",
      forGood: "A new one begins with new events, and has another secret.",
      button: "Delete"
    }
  },
  pictures: {
    title: (lock: string) => `Pictures: ${lock}`,
    none: "Nobody has opened it yet.",
    about: (count: number) => (count === 1 ? "Of one opening." : `Of the newest ${count} openings.`),
    byHour: "Openings by hour of the day",
    byDay: "Openings by day of the week",
    battery: "Battery",
    noBattery: "The lock has not told of its battery.",
    numbers: "The numbers",
    when: "When",
    openings: "Openings",
    level: "Battery"
  },
  newTempKey: {
    title: "New temp key",
    made: "The temp key is made",
    steps: ["Doors", "When", "Who"],
    next: "Next",
    make: "Make the key",
    summary: "What it will be",
    changeWhen: "Change when it works",
    doors: "Doors, by lock number",
    noDoor: "Choose a door first.",
    doorsHint: "Those that are not above; several with spaces between: 12 13",
    method: "How the guest opens",
    methods: { both: "by link or PIN", key: "by link", code: "by PIN" }
  },
  terms: {
    from: "From",
    until: "Until",
    zone: "Time zone",
    week: (row: number) =>
      row === 1 ? "Only at certain times of the week (optional)" : `More times of the week (${row})`,
    opens: "From",
    closes: "To",
    weekHint:
      "Without days it works all the time from the beginning to the end. A time that ends before it begins goes over midnight.",
    description: "What you call it, such as the guest's name (optional)",
    users: "Only for these users, by id (optional)",
    usersHint: "Left empty, anyone who has the link can use it.",
    uses: "How often it opens (optional)"
  },
  week: {
    picture: (words: string) => `The week: ${words}`,
    zone: (zone: string) => `in ${zone}`,
    short: {
      monday: "Mon",
      tuesday: "Tue",
      wednesday: "Wed",
      thursday: "Thu",
      friday: "Fri",
      saturday: "Sat",
      sunday: "Sun"
    },
    days: {
      monday: "Mondays",
      tuesday: "Tuesdays",
      wednesday: "Wednesdays",
      thursday: "Thursdays",
      friday: "Fridays",
      saturday: "Saturdays",
      sunday: "Sundays"
    }
  },
  open: {
    title: (lock: string) => `Open the door? ${lock}`,
    will: "The lock is told to open now, whoever stands at the door. It is recorded with your name. A lock that is not connected opens only if it comes back within ten seconds.",
    reason: "Reason (optional, kept in the history)",
    button: "Open the door",
    offline: "The lock is not connected: it opens only if it comes back within ten seconds.",
    told: "The lock was told to open."
  },
  describe: {
    title: (lock: string) => `Name and place: ${lock}`,
    will: "Guests with a temp key see the name, the address, the contact and what you tell them here; times at this lock are shown in its time zone. What you leave empty is taken away.",
    button: "Save",
    name: "Name, such as Room 12",
    timeZone: "Time zone, such as Europe/Athens",
    address: "Address",
    contact: "Contact: whom guests turn to, and how",
    instructions: "What guests are told, such as how to find the door"
  },
  retire: {
    title: (lock: string) => `Take out of service? ${lock}`,
    will: "Nobody can open it through Latchkey any more, and its device is free for another lock. What happened at it stays to be read.",
    forGood: "Its keys, temp keys and commands end. The number stays taken.",
    button: "Take it out of service"
  },
  newLock: {
    title: "Set up a lock",
    will: "The lock belongs to your organization, and the device to the lock.",
    button: "Set up a lock",
    number: "Lock number, one that no lock has had",
    uuid: "Hardware: the id printed on the device",
    claimCode: "Claim code, printed on the device (if it has one)",
    next: "Give it a name"
  },
  sync: {
    title: (lock: string) => `Bring the keys in line? ${lock}`,
    will: "The lock is told again what it should hold, and what it should not, until it agrees. Nobody gets a right that they do not have already.",
    button: "Bring them in line"
  },
  removeInherited: {
    title: (lock: string) => `Remove inherited keys? ${lock}`,
    will: "Every permanent key of a former owner or organization is removed from the lock.",
    forGood: "The keys would have to be made anew.",
    button: "Remove them"
  }
} as const
