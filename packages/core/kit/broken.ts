/** Copies of a module in which one thing is wrong: its source with a piece replaced, loaded beside the right one. */

interface Break {
  readonly find: string
  readonly replace: string
  /** The file that is wrong, of those that are copied. */
  readonly file: string
}

const breaks: Array<Break> = []

const MEMORY = new URL("../src/memory/", import.meta.url).href

/** The URL of a copy of a module of `src/memory`, in which a piece of it, or of another one there, is replaced. */
export const brokenCopy = (module: string, find: string, replace: string, file = module): string =>
  `${MEMORY}${module}?broken=${breaks.push({ find, replace, file }) - 1}`

/** Whom a copy imports is part of the copy, if it is of the same folder. */
export const copyOf = (url: string, parent: string | undefined): string => {
  const query = parent?.startsWith(MEMORY) ? new URL(parent).search : ""
  return url.startsWith(MEMORY) && query !== "" ? url + query : url
}

/** The source as it is to be loaded. */
export const brokenSource = (url: string, source: string): string => {
  const index = new URL(url).searchParams.get("broken")
  const broken = index === null ? undefined : breaks[Number(index)]
  if (broken === undefined || !url.startsWith(MEMORY + broken.file)) return source
  if (!source.includes(broken.find))
    throw new Error(`${broken.file} has no "${broken.find}" any more: break it elsewhere.`)
  return source.replace(broken.find, () => broken.replace)
}
