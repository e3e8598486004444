/** The options of the pinning harness. */
import type { WindowProtection } from "../../../src/engines/notify/pin/protection.ts";

export interface PinHarnessOptions {
  /** "continue" is the control: what was read is judged, and the call passes as it is. */
  readonly answer: "pin" | "continue";
  readonly protection?: WindowProtection | undefined;
  /** The supervisor waits after each judgement of this call until what was judged has changed. */
  readonly dawdlesIn?: string;
  readonly executionsAreReported?: boolean;
  /** The addon itself allows paths that are not forbidden (openat's, of known threads). */
  readonly filtersTexts?: boolean;
  /** Calls that cannot be pinned pass as they are. */
  readonly audits?: boolean;
  /** `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`; by default where the kernel has it. */
  readonly killable?: boolean;
  /** `struct sock_filter[]` in hexadecimal digits. */
  readonly filter: string;
}

/** How often each outcome came, by its name. */
export type PinCounts = Record<string, number>;
