/*
 * What a guest page gains with scripts: the guest's own time where the door's is not known, words that do not grow old, and a
 * slider instead of the button.
 *
 * The form leaves the page before anything else can see it, and only a person's own, lasting gesture sends it: programs
 * that look at links also run scripts, submit forms and click. A script's events are not trusted by the browser; a click
 * does not last; and a slider that stands in its middle opens nothing.
 */

const DATE = { weekday: "long", day: "numeric", month: "long", year: "numeric" }
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" }
const PRECISIONS = {
  day: { ...DATE, hour: "2-digit", minute: "2-digit" },
  clock: CLOCK,
  "day-and-clock": { ...DATE, ...CLOCK }
}

/** A door's own time stays as the server has written it: only where it is not known there is a precision. */
const asHere = (time) => {
  const words = new Intl.DateTimeFormat(document.documentElement.lang, PRECISIONS[time.dataset.precision])
  time.textContent = words.format(new Date(time.dateTime))
}
const showHere = (part) => part.querySelectorAll("time[data-precision]").forEach(asHere)
showHere(document)

// "In 2 hours" is not true for long: who comes back to a page after a minute sees it as it is then.
const shownAt = Date.now()
addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && Date.now() - shownAt > 60_000) location.reload()
})

// A page that comes back from memory is an old view of the key, and its ticket may have been used.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload())

// A refusal stands at the address that the form was sent to. Loaded again, it should be the key's page.
history.replaceState(null, "", location.pathname.replace(/(\/doors\/\d+)?\/open$/, "") + location.search)

/** From here on the slider is at its end: nobody has to meet the last pixel. */
const END = 95
/** Milliseconds that it must be held there. */
const HOLD = 600
/** With keys and assistive technology there is nothing to hold: there it takes at least so many steps. */
const STEPS = 3

document.querySelectorAll("form.open").forEach(addSlider)
if (document.querySelector("main[data-waits]")) void showOutcome()

/** Asks for this page as it is once the lock has answered, and shows what it then says. Bounded: no page asks forever. */
async function showOutcome() {
  for (let asked = 0; asked < 4; asked++) {
    const began = performance.now()
    try {
      const answer = await fetch(`${location.pathname}${location.search}&wait=12`, { headers: { accept: "text/html" } })
      const later = new DOMParser().parseFromString(await answer.text(), "text/html")
      if (answer.ok) {
        const main = document.querySelector("main")
        const said = later.querySelector("main")
        main.className = said.className
        main.replaceChildren(...said.childNodes)
        showHere(main)
        document.title = later.title
        main.toggleAttribute("data-waits", said.hasAttribute("data-waits"))
        if (!main.hasAttribute("data-waits")) return
      }
    } catch {
      // The phone has lost its network for a moment.
    }
    await new Promise((resume) => setTimeout(resume, Math.max(0, 2000 - (performance.now() - began))))
  }
}

function addSlider(form, index) {
  const slider = document.getElementById("slide").content.cloneNode(true)
  const box = slider.querySelector(".slide")
  const input = slider.querySelector("input")
  const words = slider.querySelector(".words")
  const status = slider.querySelector(".status")
  const how = form.querySelector(".how")
  const atRest = words.textContent
  // What it is for stands on the button that it replaces.
  input.setAttribute("aria-label", `${form.querySelector("button").textContent}: ${atRest}`)
  how.id = `how-${index}`
  input.setAttribute("aria-describedby", how.id)
  form.replaceWith(slider, how)

  let isHeld = false
  let steps = 0
  let timer

  const show = (text) => {
    box.style.setProperty("--value", input.value)
    box.classList.toggle("ending", timer !== undefined)
    words.textContent = text
  }
  const stop = () => {
    clearTimeout(timer)
    timer = undefined
  }
  const reset = () => {
    if (input.disabled) return
    stop()
    steps = 0
    input.value = "0"
    show(atRest)
  }
  const release = () => {
    if (isHeld) reset()
    isHeld = false
  }
  const open = () => {
    input.disabled = true
    box.classList.add("opening")
    status.textContent = status.dataset.opening
    show(status.dataset.opening)
    form.hidden = true
    document.body.append(form)
    form.submit()
  }

  input.addEventListener("input", ({ isTrusted }) => {
    if (!isTrusted) return reset()
    steps += 1
    if (input.valueAsNumber < END) stop()
    else if (timer === undefined && (isHeld || steps >= STEPS)) timer = setTimeout(open, HOLD)
    show(timer === undefined ? atRest : status.dataset.hold)
  })
  for (const type of ["pointerdown", "touchstart"]) {
    input.addEventListener(type, ({ isTrusted }) => isTrusted && (isHeld = true), { passive: true })
  }
  for (const type of ["pointerup", "touchend", "touchcancel"]) addEventListener(type, release)
  input.addEventListener("blur", reset)
  addEventListener("pagehide", reset)
  reset()
}
