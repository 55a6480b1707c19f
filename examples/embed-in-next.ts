/** The whole API inside a Next.js app: `app/[...path]/route.ts`, which answers whatever has no page or route of its own. */
import { answer } from "./embedded.ts"

/** `x-forwarded-for` counts where a proxy of yours sets it: the last address is the one that it saw. */
const handler = (request: Request): Promise<Response> =>
  answer(request, request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim())

export { handler as DELETE, handler as GET, handler as HEAD, handler as PATCH, handler as POST }
