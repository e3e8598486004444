/** The outcomes of a call whose arguments were read, and the reasons why a call cannot be pinned. */
import type { FollowObstacle, PinObstacle } from "../../../events/record.ts";

/**
 * The addon's numbers (enum outcome in native/addon/pin/pin.h). From `noTrace` on they are those of the obstacles, in the order
 * of `pinObstacles`.
 */
export const outcomeNumber = { prepared: 0, interrupted: 1, gone: 2, noTrace: 3, hasResult: 16 } as const;

export type PinOutcome =
  /** The caller makes its call; the call's second notification is `prepared`. */
  | { readonly kind: "prepared" }
  /** The policy's refusal, or the errno with which the kernel's own copy or walk would have failed. */
  | { readonly kind: "refused"; readonly errno: number }
  /** The supervisor has given the call its successful result, which the caller's own call would have had. */
  | { readonly kind: "answered" }
  /** A thread reads more of the caller's memory. The call has no answer yet, and comes again. */
  | { readonly kind: "reading" }
  /** The call waits for the answer to a question, and comes again. */
  | { readonly kind: "held" }
  /** A signal came first. The call comes again (a new event), or has returned EINTR. */
  | { readonly kind: "interrupted" }
  | { readonly kind: "gone" }
  /** The call is being served, and has no answer yet. */
  | { readonly kind: "served" }
  /** The service of the call could not begin: it has returned this errno. */
  | { readonly kind: "unserved"; readonly errno: number }
  | {
      readonly kind: "unpinnable";
      readonly why: PinObstacle;
      /** The positive errno that the call has returned; 0: it passes unpinned, in an audit. */
      readonly refusal: number;
      readonly errno: number;
      /** With `untraceable`. */
      readonly obstacle?: FollowObstacle | undefined;
    };

/** Whether the call does not come again, either as prepared or to be judged. */
export function isOver({ kind }: PinOutcome): boolean {
  switch (kind) {
    case "prepared":
    case "reading":
    case "held":
    case "interrupted":
    case "served":
      return false;
    case "refused":
    case "answered":
    case "gone":
    case "unserved":
    case "unpinnable":
      return true;
  }
}
