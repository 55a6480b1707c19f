/** What to do about what a lock needs somebody for, in a plain sentence. */
import type { AttentionKind } from "../read-model/LockConditions.ts"

/** By kind. */
export const ADVICE: { readonly [Kind in AttentionKind]: string } = {
  offline: "The lock is not connected, so nothing reaches it. Check its power and its network.",
  "battery-low": "The battery is low. Change it before the lock stops answering.",
  "bolt-jammed": "The bolt is stuck. See what blocks it, then lock or open once more.",
  "door-forced": "The door was opened while it was locked. Go and look.",
  "door-left-open": "The door has been open for too long. Have it closed.",
  "key-failed":
    "The lock failed to take or remove these keys, or did not answer for a day. Check that it is connected, then sync its keys.",
  "key-foreign":
    "The lock holds these keys, and nobody added them here. Remove them with RemoveKey, unless you know whose they are.",
  "key-exposed":
    "These keys were removed, but the lock may still open for them until it confirms that they are gone. It is told as soon as it is connected. If that does not help, sync its keys.",
  "wrong-pins":
    "Somebody entered so many wrong PINs that they were locked out. If it was not a guest who mistyped, reissue the PINs of this door."
}
