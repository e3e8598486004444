/**
 * P0503: a call that the C library tries first is refused with an errno on which it does not fall back to an older,
 * allowed call.
 */

import { errnoName } from "../../abi/errno.ts";
import { errno as numbers } from "../../abi/errno-numbers.ts";
import { fallbacks } from "../../abi/fallbacks.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { feignsSuccess, returnsZero } from "../../ir/verdicts.ts";
import type { View } from "./view.ts";

interface Fallback {
  readonly call: keyof typeof fallbacks;
  readonly so: string;
  /** Also report a refusal by a default, without a rule that names the call. */
  readonly evenUnnamed: boolean;
}

/** Without openat2: glibc does not call it. */
const reported: readonly Fallback[] = [
  { call: "clone3", so: "threads will not start", evenUnnamed: true },
  { call: "faccessat2", so: "access() fails", evenUnnamed: false },
  { call: "fchmodat2", so: "fchmodat() with flags fails", evenUnnamed: false },
  { call: "statx", so: "stat() fails", evenUnnamed: false },
];

export function findFallbacks(view: View): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const { call, so, evenUnnamed } of reported) {
    const to = fallbacks[call];
    const decision = view.decisionOf(call);
    if (decision === undefined || (!evenUnnamed && decision === view.unnamed)) continue;
    if (!view.possible(to).some((verdict) => !view.isDenial(verdict))) continue;
    const possible = view.possible(call);
    const answers = (verdict: number) =>
      !view.isDenial(verdict) || view.program.verdicts[verdict]!.errno === numbers.ENOSYS;
    if (possible.some(answers)) continue;
    const wrong = possible.find((verdict) => {
      return view.program.verdicts[verdict]!.action === "deny";
    });
    if (wrong === undefined) continue;
    const verdict = view.program.verdicts[wrong]!;
    const { errno } = verdict;
    const fails = feignsSuccess(verdict) ? returnsZero : `fails with ${errnoName(errno) ?? errno}`;
    found.push(
      diagnostic("P0503", `${call} ${fails} here: glibc falls back to ${to} on ENOSYS only, so ${so}`, {
        span: view.span(wrong),
        help: `case "${call}": return deny("ENOSYS");`,
      }),
    );
  }
  return found;
}
