/** Which keys may sign the tokens of users. */
import type { KeyObject } from "node:crypto"

/** The algorithms of tokens that this public key verifies; none when it is of a kind that tokens are not signed with here. */
export const algorithmsOf = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): ReadonlyArray<string> => {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails ?? {}
  switch (asymmetricKeyType) {
    case "rsa":
      return modulusLength >= 2048 ? ["RS256", "PS256"] : []
    case "ec":
      return namedCurve === "prime256v1" ? ["ES256"] : []
    case "ed25519":
      return ["EdDSA"]
    default:
      return []
  }
}
