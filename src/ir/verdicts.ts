/**
 * Actions and verdicts. The table of actions is the only place that lists their order, whether the call passes, and their
 * names in other interfaces; code that needs more about each action has a `Record<Action, …>` or an exhaustive switch.
 */

import { errnoName } from "../linux/errno.ts";
import type { Location } from "./location.ts";

interface ActionFacts {
  /** Whether the kernel executes the call. */
  readonly passes: boolean;
  /** As the language's users read it. */
  readonly text: string;
  /** `SECCOMP_RET_…` (seccomp(2)). */
  readonly seccomp: string;
  /** `SCMP_ACT_…` of the OCI runtime specification, the name that an export writes. */
  readonly oci: string;
}

/** From the most lenient to the strictest. */
export const actions = {
  allow: { passes: true, text: "allow", seccomp: "ALLOW", oci: "SCMP_ACT_ALLOW" },
  log: { passes: true, text: "log", seccomp: "LOG", oci: "SCMP_ACT_LOG" },
  deny: { passes: false, text: "deny", seccomp: "ERRNO", oci: "SCMP_ACT_ERRNO" },
  trap: { passes: false, text: "trap", seccomp: "TRAP", oci: "SCMP_ACT_TRAP" },
  "kill-thread": { passes: false, text: "kill thread", seccomp: "KILL_THREAD", oci: "SCMP_ACT_KILL_THREAD" },
  "kill-process": { passes: false, text: "kill process", seccomp: "KILL_PROCESS", oci: "SCMP_ACT_KILL_PROCESS" },
} as const satisfies Readonly<Record<string, ActionFacts>>;

export type Action = keyof typeof actions;

/** In the order of the table. */
export const actionNames = Object.keys(actions) as readonly Action[];

/** Ranks, 0 for the most lenient; combined policies take the verdict of the highest rank. */
export const strictness = Object.fromEntries(actionNames.map((name, rank) => [name, rank])) as {
  readonly [A in Action]: number;
};

/** Whether the kernel executes a call with this verdict. */
export function passes({ action }: { readonly action: Action }): boolean {
  return actions[action].passes;
}

/** A verdict that stands somewhere in the policy. Two that are alike but stand at two places are two. */
export interface Verdict {
  readonly action: Action;
  /** With `deny`: 1 … 4095. Else 0. */
  readonly errno: number;
  readonly reason: string | undefined;
  readonly at: Location | undefined;
}

/** "allow", "deny EPERM", "kill process". */
export function verdictText({ action, errno }: Pick<Verdict, "action" | "errno">): string {
  return action === "deny" ? `deny ${errnoName(errno) ?? errno}` : actions[action].text;
}
