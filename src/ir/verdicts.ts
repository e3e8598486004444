/**
 * Actions and verdicts. The table of actions is the only place that lists their order, whether the call is executed,
 * and their names in other interfaces. Code that needs more about each action has a `Record<Action, …>` or an
 * exhaustive switch.
 */

import { errnoName } from "../abi/errno.ts";
import type { Location } from "./location.ts";

/**
 * | effect | the fate of the call |
 * | --- | --- |
 * | passes | the kernel executes it |
 * | asks | it waits for a person, who allows it; without that it fails with EPERM |
 * | fails | it returns an errno |
 * | signals | its thread gets SIGSYS, which a handler may take |
 * | kills | its thread or process ends by SIGSYS |
 */
export type ActionEffect = "passes" | "asks" | "fails" | "signals" | "kills";

interface ActionFacts {
  readonly effect: ActionEffect;
  /** The name in messages. */
  readonly text: string;
  /** `SECCOMP_RET_…` (seccomp(2)). */
  readonly seccomp: string;
  /** `SCMP_ACT_…` of the OCI runtime specification, for exports. */
  readonly oci: string;
}

/** From the most lenient to the strictest. */
export const actions = {
  allow: { effect: "passes", text: "allow", seccomp: "ALLOW", oci: "SCMP_ACT_ALLOW" },
  log: { effect: "passes", text: "log", seccomp: "LOG", oci: "SCMP_ACT_LOG" },
  ask: { effect: "asks", text: "ask", seccomp: "USER_NOTIF", oci: "SCMP_ACT_NOTIFY" },
  deny: { effect: "fails", text: "deny", seccomp: "ERRNO", oci: "SCMP_ACT_ERRNO" },
  trap: { effect: "signals", text: "trap", seccomp: "TRAP", oci: "SCMP_ACT_TRAP" },
  "kill-thread": { effect: "kills", text: "kill thread", seccomp: "KILL_THREAD", oci: "SCMP_ACT_KILL_THREAD" },
  "kill-process": { effect: "kills", text: "kill process", seccomp: "KILL_PROCESS", oci: "SCMP_ACT_KILL_PROCESS" },
} as const satisfies Readonly<Record<string, ActionFacts>>;

export type Action = keyof typeof actions;

/** Action names in the order of the table. */
export const actionNames = Object.keys(actions) as readonly Action[];

/** Ranks from 0, the most lenient. Of several verdicts the one with the highest rank wins. */
export const strictness = Object.fromEntries(actionNames.map((name, rank) => [name, rank])) as {
  readonly [A in Action]: number;
};

/** Whether the kernel executes a call with this verdict, or can: if a person allows it. */
export function mayPass({ action }: { readonly action: Action }): boolean {
  return actions[action].effect === "passes" || asks({ action });
}

/** Whether a person decides about the call. */
export function asks({ action }: { readonly action: Action }): boolean {
  return actions[action].effect === "asks";
}

/** Whether it ends its thread or process. */
export function kills({ action }: { readonly action: Action }): boolean {
  return actions[action].effect === "kills";
}

/** Whether it can be the verdict of a call that has waited too long for a room: the call fails or its caller ends. */
export function endsWaiting(verdict: Pick<Verdict, "action" | "errno">): boolean {
  return (verdict.action === "deny" && verdict.errno !== 0) || kills(verdict);
}

/** A verdict at one place of the policy. Two equal verdicts at different places are two. */
export interface Verdict {
  readonly action: Action;
  /**
   * 0 … 4095 with `deny`, else 0. With errno 0 the kernel returns 0 to the caller and does not make the call
   * (kernel/seccomp.c, SECCOMP_RET_ERRNO).
   */
  readonly errno: number;
  readonly reason: string | undefined;
  readonly at: Location | undefined;
}

/** The largest errno; the kernel answers a larger one as this (kernel/seccomp.c, MAX_ERRNO). */
export const maximumErrno = 4095;

/** The effect of a denial with errno 0 in messages, because the number alone does not show it. */
export const returnsZero = "returns 0 without being made";

/** Whether the caller takes the call for done, although the kernel does not make it. */
export function feignsSuccess({ action, errno }: Pick<Verdict, "action" | "errno">): boolean {
  return action === "deny" && errno === 0;
}

/** "allow", "deny EPERM", "kill process": as case files write it. */
export function verdictText({ action, errno }: Pick<Verdict, "action" | "errno">): string {
  return action === "deny" ? `deny ${errnoName(errno) ?? errno}` : actions[action].text;
}

/** The same, with the effect of a denial with errno 0: "deny 0 (returns 0 without being made)". */
export function explainedVerdict(verdict: Pick<Verdict, "action" | "errno">): string {
  return feignsSuccess(verdict) ? `${verdictText(verdict)} (${returnsZero})` : verdictText(verdict);
}
