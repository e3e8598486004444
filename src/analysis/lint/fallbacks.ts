/**
 * P0503: a call that the C library tries first is refused with an errno on which it does not fall back to an older,
 * allowed call. (glibc 2.34 and later test only for ENOSYS; musl and Go do the same where they fall back.)
 */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { feignsSuccess, returnsZero } from "../../ir/verdicts.ts";
import { errnoName } from "../../linux/errno.ts";
import { errno as numbers } from "../../linux/errno-numbers.ts";
import type { SurveyView } from "./surveyed.ts";
import type { View } from "./view.ts";

interface Fallback {
  readonly call: string;
  readonly to: string;
  readonly so: string;
  /** Also report a refusal by a default, without a rule that names the call. */
  readonly evenUnnamed: boolean;
}

const fallbacks: readonly Fallback[] = [
  { call: "clone3", to: "clone", so: "threads will not start", evenUnnamed: true },
  { call: "faccessat2", to: "faccessat", so: "access() fails", evenUnnamed: false },
  { call: "fchmodat2", to: "fchmodat", so: "fchmodat() with flags fails", evenUnnamed: false },
  { call: "statx", to: "newfstatat", so: "stat() fails", evenUnnamed: false },
];

/** False only if `findFallbacks` finds nothing. */
export function mayHaveFallbacks(survey: SurveyView): boolean {
  const { program } = survey;
  return fallbacks.some(({ call, to }) => {
    const [tried, older] = [survey.call(call), survey.call(to)];
    if (tried === undefined || older === undefined) return false;
    if (![...older.perhaps].some((verdict) => !survey.isDenial(verdict))) return false;
    const answers = (verdict: number) =>
      !survey.isDenial(verdict) || program.verdicts[verdict]!.errno === numbers.ENOSYS;
    if ([...tried.certain].some(answers)) return false;
    return [...tried.perhaps].some((verdict) => program.verdicts[verdict]!.action === "deny");
  });
}

export function findFallbacks(view: View): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const { call, to, so, evenUnnamed } of fallbacks) {
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
