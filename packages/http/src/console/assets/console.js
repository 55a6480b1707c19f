/*
 * What a page of the console gains with scripts: it is up to date by itself, and says so. The server draws every page; a live
 * one follows the events of its lock, and asks for itself again when there is one. A connection that is silent for longer
 * than the server ever is has died: that is shown, and after it the page catches up.
 */
import { html, LitElement } from "lit"

// Times are in the zone of the lock, or else in that of this browser, which the server learns by this.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
const known = document.cookie.match(/(?:^|; )latchkey-zone=([^;]*)/)?.[1]
if (timeZone !== undefined && known !== encodeURIComponent(timeZone)) {
  // biome-ignore lint/suspicious/noDocumentCookie: the CookieStore is not there without HTTPS
  document.cookie = `latchkey-zone=${encodeURIComponent(timeZone)}; path=/console; samesite=strict; max-age=31536000`
}

/** Milliseconds. The server says something every 15 seconds. */
const SILENT = 40_000
/** Milliseconds before the connection is tried again, and within which several events are one. */
const PAUSE = 2_000
const TOGETHER = 250

const pause = (millis) => new Promise((resume) => setTimeout(resume, millis))

class Live extends LitElement {
  static properties = { src: {}, state: { state: true } }

  #ended
  #due

  constructor() {
    super()
    this.state = "connecting"
  }

  // The page's own style holds for it.
  createRenderRoot() {
    return this
  }

  connectedCallback() {
    super.connectedCallback()
    document.addEventListener("visibilitychange", this.#watch)
    addEventListener("offline", this.#lost)
    addEventListener("online", this.#watch)
    this.#watch()
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    document.removeEventListener("visibilitychange", this.#watch)
    removeEventListener("offline", this.#lost)
    removeEventListener("online", this.#watch)
    this.#ended?.abort()
  }

  // A browser has few connections to one server: pages that nobody sees leave theirs to others.
  #watch = () => {
    this.#ended?.abort()
    if (document.visibilityState === "visible") void this.#follow((this.#ended = new AbortController()))
  }

  #lost = () => {
    this.state = "lost"
  }

  async #follow(ended) {
    while (!ended.signal.aborted) {
      const silence = new AbortController()
      let timer
      const alive = () => {
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), SILENT)
      }
      try {
        alive()
        const signal = AbortSignal.any([ended.signal, silence.signal])
        const answer = await fetch(this.src, { headers: { accept: "text/event-stream" }, signal, redirect: "manual" })
        if (!answer.ok) {
          this.state = answer.status === 503 ? "lost" : "ended"
          if (this.state === "ended") return
        } else {
          // What happened before it was connected, and while it was not.
          await this.#catchUp(signal)
          this.state = "live"
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
          for (let told = await reader.read(); !told.done; told = await reader.read()) {
            alive()
            if (/^data:/m.test(told.value)) this.#soon(signal, silence)
          }
          this.state = "lost"
        }
      } catch {
        if (!ended.signal.aborted) this.state = "lost"
      } finally {
        clearTimeout(timer)
      }
      await pause(PAUSE)
    }
  }

  /** A page that cannot catch up begins anew with its connection; what an earlier one still meant to do is nobody's any more. */
  #soon(signal, silence) {
    clearTimeout(this.#due)
    this.#due = setTimeout(() => this.#catchUp(signal).catch(() => silence.abort()), TOGETHER)
  }

  async #catchUp(signal) {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal })
    const page = new DOMParser().parseFromString(await answer.text(), "text/html")
    const [now, then] = [page.getElementById("live"), document.getElementById("live")]
    if (!answer.ok || now === null) throw new Error("The page is not there")
    if (now.innerHTML === this.#shown) return
    const isFirst = this.#shown === undefined
    this.#shown = now.innerHTML
    // Where somebody types or reads is left alone: the rest is new.
    for (const part of then.querySelectorAll("[data-live]")) {
      const fresh = now.querySelector(`#${part.id}`)
      if (fresh === null || fresh.innerHTML === part.innerHTML) continue
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null
      part.replaceChildren(...fresh.childNodes)
      if (focused !== null) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus()
      if (!isFirst) part.classList.add("fresh")
    }
  }
  #shown

  render() {
    const { live, lost, ended, reload } = this.dataset
    const words = { connecting: "", live, lost, ended }[this.state]
    // Nothing between: white space at the end of a line would move with the words.
    return html`<p role="status" class="live ${this.state}"><span class="dot" aria-hidden="true"></span><span>${words}</span>${
      this.state === "ended" ? html` <a href=${location.href}>${reload}</a>` : ""
    }</p>`
  }
}
customElements.define("latchkey-live", Live)
