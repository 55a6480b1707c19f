/** What the description of the API says beside the schemas: which objects are closed. */
import { Context } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { Open } from "./Parts.ts"

type Json = { [name: string]: unknown }
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null

/**
 * The description with `additionalProperties: false` exactly where what is not known is refused: in bodies of requests,
 * but not at the top level of open ones. Answers may grow.
 */
export const withOpenness =
  <Id extends string, Groups extends HttpApiGroup.Constraint>(api: HttpApi.HttpApi<Id, Groups>) =>
  (description: Json): Json => {
    HttpApi.reflect(api, {
      onGroup: () => {},
      onEndpoint: ({ endpoint: { method, path }, mergedAnnotations }) => {
        const operation = at(description, "paths", path.replaceAll(/:(\w+)/g, "{$1}"), method.toLowerCase())
        open(operation?.["responses"])
        if (!Context.get(mergedAnnotations, Open)) return
        const bodies = at(operation, "requestBody", "content") ?? {}
        for (const body of Object.values(bodies)) delete at(body, "schema")?.["additionalProperties"]
      }
    })
    return description
  }

const at = (value: unknown, ...path: ReadonlyArray<string>): Json | undefined => {
  const found = path.reduce<unknown>((inside, name) => (isObject(inside) ? inside[name] : undefined), value)
  return isObject(found) ? found : undefined
}

/** Opens every object of a schema. */
const open = (schema: unknown): void => {
  if (!isObject(schema)) return
  if (schema["additionalProperties"] === false) delete schema["additionalProperties"]
  for (const nested of Object.values(schema)) open(nested)
}
