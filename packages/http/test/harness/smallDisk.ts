/** A file system of a few megabytes, in a namespace that ends with the test: nobody need be root. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, rmSync, statfsSync } from "node:fs"
import { temporaryFolder } from "./process.ts"

export interface SmallDisk extends AsyncDisposable {
  /** Where it is, for those who are inside. */
  readonly path: string
  /** Begins a command that is to run inside, as this user or else as root in the namespace alone. */
  readonly inside: (user?: number) => ReadonlyArray<string>
  /** Fills it up but for so many bytes. */
  readonly fill: (leave: number) => void
  /** What was filled up is free again. */
  readonly makeRoom: () => void
}

export const makeSmallDisk = async (megabytes: number): Promise<SmallDisk> => {
  const folder = temporaryFolder()
  const mounted = `mount -t tmpfs -o size=${megabytes}m none '${folder.path}' && echo mounted && exec cat`
  const holder = spawn("unshare", ["--map-root-user", "--mount", "sh", "-c", mounted], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const [said] = await Promise.race([once(holder.stdout, "data"), once(holder, "close")])
  if (String(said) !== "mounted\n")
    throw new Error("A file system of its own cannot be mounted here: see CONTRIBUTING.md.")
  const seen = `/proc/${holder.pid}/root${folder.path}`
  return {
    path: folder.path,
    inside: (user = 0) => [
      ...["nsenter", "--preserve-credentials", "--user", "--mount", "--target", String(holder.pid)],
      ...(user === 0 ? [] : ["unshare", "--user", `--map-user=${user}`])
    ],
    fill: (leave) => {
      const { bavail, bsize } = statfsSync(seen)
      try {
        appendFileSync(`${seen}/fill`, Buffer.alloc(Math.max(0, bavail * bsize - leave)))
      } catch (error) {
        // Who writes there too was faster: it is full.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error
      }
    },
    makeRoom: () => rmSync(`${seen}/fill`, { force: true }),
    [Symbol.asyncDispose]: async () => {
      const ended = once(holder, "close")
      holder.stdin.end()
      await ended
      folder[Symbol.dispose]()
    }
  }
}
