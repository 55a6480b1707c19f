/** A brand's colour as pages use it: on light and on dark grounds in a shade that can be read (WCAG 2.2, 1.4.3). Pure. */

type Rgb = readonly [red: number, green: number, blue: number]

/** The grounds that the colour is seen on; `tokens.css` has them, and a test holds the two together. */
export const GROUNDS = {
  light: { ground: "#f4f2ec", card: "#fffefb" },
  dark: { ground: "#101311", card: "#191d1a" }
} as const

/** Of text, against what is behind it. */
const READABLE = 4.5
/** Shades that are tried between a colour and black or white. */
const STEPS = 64
/** How much of the colour is in the soft ground of a slider. */
const SOFT = { light: 0.12, dark: 0.2 } as const
const BLACK: Rgb = [0, 0, 0]
const WHITE: Rgb = [255, 255, 255]

/** The colour in one scheme: itself, where it can be read, the soft ground beneath it, and what is written on it. */
export interface Shades {
  readonly brand: string
  readonly soft: string
  readonly on: string
}

/**
 * The nearest shade of a colour that can be read on every ground of a scheme.
 *
 * @example
 * ```ts
 * shadesOf("#ffcc00", "light").brand // a dark yellow
 * ```
 *
 * @param color `#` and six digits
 */
export const shadesOf = (color: string, scheme: keyof typeof GROUNDS): Shades => {
  const [ground, card] = [rgbOf(GROUNDS[scheme].ground), rgbOf(GROUNDS[scheme].card)]
  const towards = scheme === "light" ? BLACK : WHITE
  for (let step = 0; step <= STEPS; step++) {
    const brand = mixed(rgbOf(color), towards, step / STEPS)
    const soft = mixed(card, brand, SOFT[scheme])
    if ([ground, card, soft].every((behind) => contrastOf(brand, behind) >= READABLE)) {
      const on = contrastOf(brand, WHITE) >= contrastOf(brand, BLACK) ? WHITE : BLACK
      return { brand: hexOf(brand), soft: hexOf(soft), on: hexOf(on) }
    }
  }
  return { brand: hexOf(towards), soft: hexOf(card), on: hexOf(card) }
}

/** The contrast of two colours, 1 to 21 (WCAG 2.2, contrast ratio). */
export const contrast = (a: string, b: string): number => contrastOf(rgbOf(a), rgbOf(b))

const contrastOf = (a: Rgb, b: Rgb): number => {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (lighter + 0.05) / (darker + 0.05)
}

const luminance = (rgb: Rgb): number => {
  const [red = 0, green = 0, blue = 0] = rgb.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

const mixed = ([r, g, b]: Rgb, [x, y, z]: Rgb, share: number): Rgb => [
  mix(r, x, share),
  mix(g, y, share),
  mix(b, z, share)
]
const mix = (from: number, to: number, share: number): number => Math.round(from + (to - from) * share)

const rgbOf = (hex: string): Rgb => [part(hex, 1), part(hex, 3), part(hex, 5)]
const part = (hex: string, at: number): number => Number.parseInt(hex.slice(at, at + 2), 16)
const hexOf = (rgb: Rgb): string => `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`
