/** The pages of the console by their paths. A page that changes something takes POST too; the others refuse it. */
import { Effect } from "effect"
import { Refused } from "../server/Errors.ts"
import { type Action, pageOf } from "./Actions.ts"
import { ownProblem } from "./ownProblem.ts"
import { apiKeyActions, apiKeysPage } from "./pages/apiKeys.ts"
import { attentionPage } from "./pages/attention.ts"
import { deviceActions, devicePage } from "./pages/device.ts"
import { healthPage } from "./pages/health.ts"
import { lockActions, lockLive, lockPage, newLock } from "./pages/lock.ts"
import { locksPage } from "./pages/locks.ts"
import { newTempKeyPage } from "./pages/newTempKey.ts"
import { overviewPage } from "./pages/overview.ts"
import { picturesPage } from "./pages/pictures.ts"
import { tempKeyActions, tempKeyPage, tempKeysPage } from "./pages/tempKey.ts"
import { webhookActions, webhookPage, webhooksPage } from "./pages/webhooks.ts"
import { whyPage } from "./pages/why.ts"
import { en } from "./texts/en.ts"
import type { Shows } from "./Visit.ts"

const reads =
  (shows: Shows): Shows =>
  (visit) =>
    visit.method === "GET" ? shows(visit) : Effect.fail(new Refused({ problem: readOnly }))

const readOnly = ownProblem(405, en.problems.method.title, en.problems.missing.text)

const actionsAt = (path: string, actions: Readonly<Record<string, Action>>): Readonly<Record<string, Shows>> =>
  Object.fromEntries(Object.entries(actions).map(([name, action]) => [`${path}/${name}`, pageOf(action)]))

export const routes: Readonly<Record<string, Shows>> = {
  "/console": reads(overviewPage),
  "/console/attention": reads(attentionPage),
  "/console/health": reads(healthPage),
  "/console/locks": locksPage,
  "/console/locks/new": pageOf(newLock),
  "/console/locks/:id": reads(lockPage),
  "/console/locks/:id/live": reads(lockLive),
  "/console/locks/:id/why": reads(whyPage),
  ...actionsAt("/console/locks/:id", lockActions),
  "/console/locks/:id/device": reads(devicePage),
  ...actionsAt("/console/locks/:id", deviceActions),
  "/console/locks/:id/pictures": reads(picturesPage),
  "/console/temp-keys": reads(tempKeysPage),
  "/console/temp-keys/new": newTempKeyPage,
  "/console/temp-keys/:id": reads(tempKeyPage),
  ...actionsAt("/console/temp-keys/:id", tempKeyActions),
  "/console/webhooks": reads(webhooksPage),
  "/console/webhooks/:id": reads(webhookPage),
  ...actionsAt("/console/webhooks", webhookActions),
  "/console/api-keys": reads(apiKeysPage),
  ...actionsAt("/console/api-keys", apiKeyActions)
}
