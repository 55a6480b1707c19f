/**
 * `llms.txt` (llmstxt.org): the documentation as a list for programs that read it, made from the README's index and what
 * each page says first. `node scripts/llms.ts` writes it.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(import.meta.dirname, "..")
const read = (file: string): string => readFileSync(join(root, file), "utf8")

/** Folders are described by their README. */
const pageOf = (path: string): string => (statSync(join(root, path)).isDirectory() ? join(path, "README.md") : path)

const plain = (markdown: string): string => markdown.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("**", "")

/** The first sentence below the title. */
const firstSentence = (page: string): string => {
  const [, paragraph = ""] = /^# .+\n\n?((?:(?!```|#|\|).+\n?)+)/m.exec(read(page)) ?? []
  return (/^.*?[.:](?=\s|$)/s.exec(plain(paragraph))?.[0] ?? "").replaceAll("\n", " ").replace(/:$/, ".")
}

/** The text of `llms.txt`. Every page of the index is in it, in the groups of the index. */
export const llms = (): string => {
  const readme = read("README.md")
  const [, title = "", summary = ""] = /^# (.+)\n\n((?:.+\n)+)/.exec(readme) ?? []
  const index = readme.split(/^## /m).find((section) => section.startsWith("Documentation\n")) ?? ""
  const groups = Array.from(index.matchAll(/^\*\*(.+?)\*\*: (.+)$/gm), ([, group, links = ""]) => {
    const pages = Array.from(links.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g), ([, name, path = ""]) => {
      const sentence = firstSentence(pageOf(path))
      return `- [${name}](${path})${sentence === "" ? "" : `: ${sentence}`}`
    })
    return [`## ${group}`, ...pages, ""].join("\n")
  })
  return [`# ${title}`, `> ${summary.trim().replaceAll("\n", " ")}`, ...groups]
    .join("\n\n")
    .replaceAll("\n\n\n", "\n\n")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, "llms.txt"), llms())
