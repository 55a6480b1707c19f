/** The functions in Python that `docs/partners.md` shows, as programs that say whether a delivery is genuine. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"

const docs = readFileSync(new URL("../../../../docs/partners.md", import.meta.url), "utf8")
const programs = Array.from(docs.matchAll(/```python\n([\s\S]*?)```/g), ([, program = ""]) => program)

interface Delivery {
  /** As it was answered when the webhook was made. */
  readonly secret: string
  readonly headers: object
  readonly body: string
}

/** Answers `True` or `False`, as Python says it. */
export const pythonOfDocs = (signature: "hmac" | "ed25519", python = "python3") => {
  const program = programs.find((text) => text.includes(signature)) ?? ""
  const main = `import json, sys
asked = json.load(sys.stdin)
print(is_genuine(asked["secret"], asked["headers"], asked["body"].encode()))`
  return (delivery: Delivery): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = execFile(python, ["-c", `${program}\n${main}`], (error, stdout) =>
        error ? reject(error) : resolve(stdout.trim())
      )
      child.stdin?.end(JSON.stringify(delivery))
    })
}
