/** What a call to the host refuses; the module gets it as the runtime's error class of the same name. */
export const ERROR_CODES = {
  HostCallFailure: 1,
  NotInTransaction: 2,
  BsatnDecodeError: 3,
  NoSuchTable: 4,
  NoSuchIndex: 5,
  NoSuchIter: 6,
  NoSuchConsoleTimer: 7,
  NoSpace: 9,
  UniqueAlreadyExists: 12,
  IndexNotUnique: 14,
  NoSuchRow: 15,
  AutoIncOverflow: 16,
  WouldBlockTransaction: 17,
  HttpError: 21
} as const

export class HostError extends Error {
  readonly code: keyof typeof ERROR_CODES

  constructor(code: keyof typeof ERROR_CODES, message: string) {
    super(message)
    this.code = code
  }
}
