/** What comes of a call whose arguments were read, and why one cannot be pinned. */
import type { FollowObstacle } from "../../../events/record.ts";

/**
 * Why a call could not be pinned: it is refused. `errno` is the kernel's, where one says more (0: none).
 *
 * | why | when |
 * | --- | --- |
 * | untraceable | the caller cannot be stopped: another traces it, it is not dumpable, Yama, another user (`obstacle`) |
 * | unreadable | /proc/TID/maps of the caller cannot be read |
 * | occupied | the caller has something else at the window's addresses, or what is there is not protected |
 * | no-descriptors | the caller has no file descriptor left, or portcullis |
 * | not-mapped | the caller's mmap(2) fails: RLIMIT_AS, vm.mmap_min_addr, another filter |
 * | not-protected | the caller's mseal(2) or madvise(2) fails: another filter |
 * | no-stack | there is no room below the caller's stack pointer |
 * | no-room | too many calls of this address space are under way, or their arguments are too long |
 * | no-memory | portcullis has no memory left |
 * | dispatched | the caller has syscall user dispatch, which would take the prepared call |
 * | starved | signals have interrupted the caller each time, more than 256 times in a row (EINTR) |
 */
export const pinObstacles = [
  "untraceable",
  "unreadable",
  "occupied",
  "no-descriptors",
  "not-mapped",
  "not-protected",
  "no-stack",
  "no-room",
  "no-memory",
  "dispatched",
  "starved",
] as const;
export type PinObstacle = (typeof pinObstacles)[number];

/** The addon's number of the first of them; the rest follow in this order (enum outcome in native/addon/pin.h). */
export const firstObstacle = 3;
export const outcomeNumber = { prepared: 0, interrupted: 1, gone: 2, noTrace: 3 } as const;

export type PinOutcome =
  /** The caller makes its call; the call's second notification is `prepared`. */
  | { readonly kind: "prepared" }
  /** The policy's refusal, or the errno with which the kernel's own copy would have failed. */
  | { readonly kind: "refused"; readonly errno: number }
  /** A signal came first. The call comes again (a new event), or has returned EINTR. */
  | { readonly kind: "interrupted" }
  | { readonly kind: "gone" }
  | {
      readonly kind: "unpinnable";
      readonly why: PinObstacle;
      /** What the call has returned, positive. */
      readonly refusal: number;
      readonly errno: number;
      /** With `untraceable`. */
      readonly obstacle?: FollowObstacle | undefined;
    };
