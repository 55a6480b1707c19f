/**
 * The operator's console: pages over the API, for a browser. It stands in front of the dispatcher, takes what is below
 * `/console`, and asks the API as any other client does.
 */
import type { IncomingHttpHeaders } from "node:http"
import type { PinKey } from "@latchkey/core"
import { Cause, Clock, Effect } from "effect"
import { Cookies, FindMyWay } from "effect/http"
import type { Problem } from "../api/Problem.ts"
import { Authenticator, type SignInError } from "../auth/Authentication.ts"
import { html } from "../pages/Html.ts"
import { type Answer, withHeaders } from "../server/Answer.ts"
import { type Dispatcher, type Found, pathOf } from "../server/Dispatcher.ts"
import { problemOfFailure } from "../server/Errors.ts"
import { aMinuteApart } from "../server/LogLines.ts"
import type { Asked } from "../server/Routes.ts"
import { problemNotice } from "./Actions.ts"
import { apiCalls } from "./ApiCalls.ts"
import { assets } from "./assets.ts"
import { pageFor, strangersPage } from "./Layout.ts"
import { ownProblem } from "./ownProblem.ts"
import { routes } from "./routes.ts"
import { credentialIn, endedCookie, headersOf, makeSessions, type Session } from "./Session.ts"
import { seeOther } from "./seeOther.ts"
import { en } from "./texts/en.ts"
import { zoneOr } from "./times.ts"
import type { Shows, Visit } from "./Visit.ts"

const HOME = "/console"
const SIGN_IN = "/console/sign-in"
const SIGN_OUT = "/console/sign-out"

/** The same dispatcher, with the console before it. */
export const withConsole = Effect.fnUntraced(function* (
  dispatcher: Dispatcher,
  pinKey: PinKey,
  publicUrl: () => string
): Effect.fn.Return<Dispatcher, never, Authenticator> {
  const { authenticate } = yield* Authenticator
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const sessions = makeSessions(pinKey)
  const tell = aMinuteApart()
  const router = FindMyWay.make<{ readonly path: string; readonly shows: Shows }>({ caseSensitive: true })
  for (const [path, shows] of Object.entries(routes)) {
    router.on("GET", path as `/${string}`, { path, shows })
    router.on("POST", path as `/${string}`, { path, shows })
  }
  const files = new Map(assets.map(({ path, answer }) => [path, answer]))

  const signInPage = (
    now: number,
    headers: IncomingHttpHeaders,
    to: string,
    status = 200,
    problem?: Problem
  ): Answer => {
    const known = sessions.of(headers, now)
    const session = known ?? sessions.begin(now)
    return strangersPage(
      status,
      en.signIn.title,
      html`${problem !== undefined && problemNotice(problem)}
<p>${en.signIn.about}</p>
<form method="post" action="${SIGN_IN}" class="act">
<input type="hidden" name="csrf" value="${sessions.formToken(session)}"><input type="hidden" name="to" value="${to}">
<label for="secret">${en.signIn.label}</label>
<input id="secret" name="secret" type="password" autocomplete="off" spellcheck="false" required autofocus>
<p class="hint">${en.signIn.hint}</p>
<p class="buttons"><button>${en.signIn.button}</button></p>
</form>`,
      known === undefined ? { "set-cookie": sessions.cookie(session) } : {}
    )
  }

  const signIn = Effect.fnUntraced(function* ({ headers }: Asked, form: URLSearchParams, now: number) {
    const to = ownPath(form.get("to"))
    const session = sessions.of(headers, now)
    // A sign-in that another site sends would have somebody work in another's name.
    if (session === undefined || !sessions.isFormOf(session, form.get("csrf")))
      return signInPage(now, headers, to, 403, staleForm)
    const credential = credentialIn(form.get("secret") ?? "")
    if (credential === undefined) return signInPage(now, headers, to, 400, unusable)
    return yield* Effect.match(authenticate(headersOf(credential)), {
      onFailure: (error) => {
        const problem = problemOfFailure(error, "Not signed in")
        return signInPage(now, headers, to, problem.code, problem)
      },
      onSuccess: () => withHeaders(seeOther(to), { "set-cookie": sessions.cookie(sessions.begin(now, credential)) })
    })
  })

  const signedOut = (url: string): Answer =>
    withHeaders(seeOther(`${SIGN_IN}?${new URLSearchParams({ to: ownPath(url) })}`), { "set-cookie": endedCookie })

  /** The page of a route, for the caller who is signed in at this moment. */
  const page = Effect.fnUntraced(function* (
    shows: Shows,
    asked: Asked,
    params: Visit["params"],
    form: URLSearchParams,
    session: Session,
    now: number
  ) {
    const { headers, url, address } = asked
    const { credential } = session
    if (credential === undefined) return signedOut(url)
    const signedIn = yield* Effect.result(authenticate(headersOf(credential)))
    if (signedIn._tag === "Failure") return isOver(signedIn.failure) ? signedOut(url) : cannotTell(signedIn.failure)
    const formToken = sessions.formToken(session)
    const [path = url, query = ""] = url.split("?", 2)
    const visit: Visit = {
      api: apiCalls(dispatcher, credential, address),
      principal: signedIn.success,
      method: asked.method === "POST" ? "POST" : "GET",
      path,
      params,
      query: new URLSearchParams(query),
      form,
      formFields: html`<input type="hidden" name="csrf" value="${formToken}">`,
      zone: zoneOr(Cookies.parseHeader(headers.cookie ?? "")["latchkey-zone"]),
      at: now,
      publicUrl: publicUrl(),
      headers
    }
    const show = (page: Parameters<typeof pageFor>[3]) => pageFor(visit, credential, formToken, page)
    if (visit.method === "POST" && !sessions.isFormOf(session, form.get("csrf")))
      return show({ status: 403, title: en.problems.title, body: problemNotice(staleForm) })
    return yield* Effect.match(shows(visit), {
      onFailure: ({ problem }) =>
        problem.code === 401
          ? signedOut(url)
          : show({ status: problem.code, title: en.problems.title, body: problemNotice(problem) }),
      onSuccess: (shown) => ("contentType" in shown ? shown : show(shown))
    })
  })

  const answer = Effect.fnUntraced(function* (asked: Asked, shows: Shows | undefined, body: Buffer) {
    const now = yield* Clock.currentTimeMillis
    const { headers, url, method } = asked
    const [path, query] = url.split("?", 2)
    const form = new URLSearchParams(body.toString("utf8"))
    if (path === SIGN_IN) {
      return method === "POST"
        ? yield* signIn(asked, form, now)
        : signInPage(now, headers, ownPath(new URLSearchParams(query).get("to")))
    }
    const session = sessions.of(headers, now)
    if (session === undefined) return fromElsewhere(headers) ? comeBack(url) : signedOut(url)
    if (path === SIGN_OUT) {
      const isOurs = method === "POST" && sessions.isFormOf(session, form.get("csrf"))
      return isOurs ? signedOut(HOME) : seeOther(HOME)
    }
    return yield* page(shows ?? nothingHere, asked, asked.params, form, session, now)
  })

  const found = (asked: Asked, path: string, shows: Shows | undefined): Found => ({
    path,
    takesBody: asked.method === "POST",
    answer: (body) =>
      Effect.suspend(() => (isForm(asked) ? answer(asked, shows, body) : Effect.succeed(problemPage(notForm)))).pipe(
        Effect.catchCause((cause) => {
          if (!Cause.hasInterruptsOnly(cause))
            tell(path, (times) => run(Effect.logError(`${path} broke`, { times }, cause)))
          return Effect.succeed(problemPage(problemOfFailure(undefined, "")))
        })
      ),
    refuse: problemPage
  })

  return {
    find: (request) => {
      const { method, url, headers } = request
      const path = pathOf(url)
      if (path === "/" && method === "GET" && headers.accept?.includes("text/html") === true)
        return { path, refused: seeOther(HOME) }
      if (path !== HOME && !path.startsWith(`${HOME}/`)) return dispatcher.find(request)
      const meant = method === "HEAD" ? "GET" : method
      if (meant !== "GET" && meant !== "POST")
        return { path: HOME, refused: withHeaders(problemPage(wrongMethod), { allow: "GET, HEAD, POST" }) }
      const file = meant === "GET" ? files.get(path) : undefined
      if (file !== undefined) return { path, refused: file(headers) }
      const route = router.find(meant, path)
      const asked = { ...request, method: meant, params: route?.params ?? {} }
      return found(asked, route?.handler.path ?? HOME, route?.handler.shows)
    }
  }
})

const nothingHere: Shows = () => Effect.succeed({ status: 404, title: en.problems.title, body: problemNotice(missing) })

/** A browser with a strict cookie does not send it when another site leads here; asked once more by this page, it does. */
const fromElsewhere = (headers: IncomingHttpHeaders): boolean => headers["sec-fetch-site"] === "cross-site"
const comeBack = (url: string): Answer =>
  withHeaders(
    strangersPage(200, en.signIn.onTheWay, html`<p><a class="button" href="${ownPath(url)}">${en.signIn.goOn}</a></p>`),
    { refresh: `0; url=${ownPath(url)}` }
  )

/** Only places of the console: an address that leads to another site would lend it our name. */
const ownPath = (to: string | null): string =>
  to !== null && /^\/console(?:[/?][\x21-\x7e]*)?$/.test(to) && !to.includes("\\") ? to : HOME

const isOver = ({ _tag }: SignInError): boolean => _tag === "Unauthenticated" || _tag === "TokenRefused"
const cannotTell = (error: SignInError): Answer => problemPage(problemOfFailure(error, ""))

const isForm = ({ method, headers }: Asked): boolean =>
  method !== "POST" ||
  (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() === "application/x-www-form-urlencoded"

const problemPage = (problem: Problem): Answer =>
  strangersPage(
    problem.code,
    en.problems.title,
    html`${problemNotice(problem)}<p><a class="button" href="${HOME}">${en.problems.home}</a></p>`
  )

const staleForm = ownProblem(403, en.problems.stale.title, en.problems.stale.text)
const unusable = ownProblem(400, en.problems.unusable.title, en.problems.unusable.text)
const notForm = ownProblem(415, en.problems.notForm.title, en.problems.notForm.text)
const missing = ownProblem(404, en.problems.missing.title, en.problems.missing.text)
const wrongMethod = ownProblem(405, en.problems.method.title, en.problems.method.text)
