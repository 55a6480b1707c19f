/** Interruptions that a test asks for: a connection that ends, or says nothing, at one exact point of a call. */

export interface Interruption {
  /**
   * `before`: the call reached the host and is not handled. `after`: the call was handled and committed, and its answer is
   * not sent.
   */
  readonly when: "before" | "after"
  /** The reducer or procedure; any when left out. */
  readonly call?: string
  /** `drop` ends the connection without a closing handshake; `silence` leaves it open and simply gives no answer. */
  readonly how?: "drop" | "silence"
}

interface Planned extends Interruption {
  readonly happened: () => void
}

export class Faults {
  #planned: Array<Planned> = []

  /** Plans one interruption of the next call that fits. Resolves when it happened. */
  plan(interruption: Interruption): Promise<void> {
    return new Promise((happened) => {
      this.#planned.push({ ...interruption, happened })
    })
  }

  /** Whether this point of this call is to be interrupted, and how. A plan serves once. */
  take(when: Interruption["when"], call: string): "drop" | "silence" | undefined {
    const at = this.#planned.findIndex((one) => one.when === when && (one.call === undefined || one.call === call))
    const [planned] = at < 0 ? [] : this.#planned.splice(at, 1)
    planned?.happened()
    return planned && (planned.how ?? "drop")
  }
}
