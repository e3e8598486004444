/** Turns the possible verdicts of a simulated call into a ruling: verdict, reason and rule as text. */

import { errnoByName, errnoName } from "../../abi/errno.ts";
import { printLocation } from "../../events/describe.ts";
import { type AdmissionOutcome, refusalReason } from "../../ir/admission.ts";
import type { Program } from "../../ir/program.ts";
import { asks, explainedVerdict, mayPass, type Verdict, verdictText } from "../../ir/verdicts.ts";
import type { LackingMemory } from "./given-memory.ts";
import type { SimulatedDecision } from "./model.ts";

type Ruling = Pick<
  SimulatedDecision,
  "verdict" | "action" | "errno" | "passes" | "reason" | "rule" | "at" | "possible"
>;

/** The verdict in messages; the member `verdict` is for programs. */
export function shownVerdict({ verdict, action, errno }: Pick<Ruling, "verdict" | "action" | "errno">): string {
  return action === "unknown" || action === "fails" ? verdict : explainedVerdict({ action, errno });
}

/** "fails EFAULT": the copy of memory fails, so there is no judgement. */
export function failureText(errno: number): string {
  return `fails ${errnoName(errno) ?? errno}`;
}

/** "the memory behind how and the object that path leads to (resolved)". `shown` prints names. */
export function lackingText(lacking: readonly LackingMemory[], shown = (name: string): string => name): string {
  const of = (what: LackingMemory["lacks"]) =>
    lacking.filter(({ lacks }) => lacks === what).map(({ argument }) => shown(argument));
  const [memory, objects] = [of("memory"), of("object")];
  return [
    ...(memory.length === 0 ? [] : [`the memory behind ${memory.join(" and ")}`]),
    ...objects.map((name) => `the object that ${name} leads to (${shown("resolved")})`),
  ].join(" and ");
}

/** The name in a policy: "path", "path.resolved". */
export function lackingName({ argument, lacks }: LackingMemory): string {
  return lacks === "object" ? `${argument}.resolved` : argument;
}

/** The policy's ruling from the possible verdicts, of which there is at least one. `allowed`: the answer, if it asks. */
export function rulingOf(program: Program, possible: readonly number[], allowed = false): Ruling {
  const verdicts = possible.map((index) => program.verdicts[index]!);
  const agreed = <T>(of: (verdict: Verdict) => T): T | undefined => {
    const values = new Set(verdicts.map(of));
    return values.size === 1 ? of(verdicts[0]!) : undefined;
  };
  const verdict = agreed(verdictText);
  const at = agreed((one) => one.at);
  return {
    verdict: verdict ?? "unknown",
    action: verdict === undefined ? "unknown" : verdicts[0]!.action,
    errno: verdict === undefined ? 0 : verdicts[0]!.errno,
    passes: agreed((one) => mayPass(one) && (allowed || !asks(one))),
    reason: agreed((one) => one.reason),
    rule: at === undefined ? undefined : printLocation(program.files, at),
    at,
    possible,
  };
}

/** The ruling on a call whose memory cannot be copied: the kernel's own copy would fail, so the policy judges nothing. */
export function rulingOfFailure(errno: number, argument: string): Ruling {
  const failure = { action: "fails", errno } as const;
  return {
    ...failure,
    verdict: failureText(errno),
    passes: false,
    reason: `the memory behind its argument ${argument} cannot be copied`,
    rule: undefined,
    at: undefined,
    possible: [],
  };
}

/** The ruling on a call that does not reach the policy. */
export function rulingOfGate(admission: Exclude<AdmissionOutcome, "judged">, call: string): Ruling {
  const common = { rule: undefined, at: undefined, possible: [] };
  if (admission === "always") {
    return { ...common, verdict: "allow", action: "allow", errno: 0, passes: true, reason: undefined };
  }
  const errno = errnoByName("ENOSYS")!;
  const denial = { action: "deny", errno } as const;
  return { ...common, ...denial, verdict: verdictText(denial), passes: false, reason: refusalReason(admission, call) };
}
