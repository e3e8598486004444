/** Lints for profiles: calls that pass although a rule seems to refuse them. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByName, registerOf } from "../../abi/calls.ts";
import { mayPass, strictness } from "../../ir/verdicts.ts";
import { alwaysAllowed, uringCalls } from "../program/call-names.ts";
import { isBypassed } from "./comparisons.ts";
import type { CallDecision } from "./decisions.ts";
import type { OciAction } from "./profile.ts";
import { firstCharacter, type OciReader } from "./reader.ts";

export interface LintInput {
  readonly calls: readonly CallDecision[];
  readonly defaultAction: OciAction;
  readonly architecture: ArchitectureName;
  readonly reader: OciReader;
}

export function lintProfile(input: LintInput): void {
  noteUnusedBits(input);
  noteClone3(input);
  noteAdmission(input);
}

/** libseccomp compares whole registers, but the kernel uses only the low half of many arguments. */
function noteUnusedBits({ calls, defaultAction, architecture, reader }: LintInput): void {
  const noted = new Set<number>();
  for (const { name, alternatives } of calls) {
    const call = callByName(name);
    for (const { rule, comparisons } of alternatives) {
      for (const comparison of comparisons) {
        const parameter = call?.parameters.find(
          (_, place) => registerOf(call, place, architecture) === comparison.argument,
        );
        if (parameter === undefined || parameter.width === 64 || noted.has(comparison.at.start)) continue;
        const permitsMore = strictness[rule.action.action] < strictness[defaultAction.action];
        if (!isBypassed(comparison, parameter.width, permitsMore)) continue;
        noted.add(comparison.at.start);
        const mask = parameter.width === 32 ? "4294967295" : "65535";
        reader.report(
          "P0706",
          comparison.at,
          `the kernel uses the low ${parameter.width} bits of ${name}'s ${parameter.name}, and this compares all 64: the upper bits bypass it`,
          `compare with SCMP_CMP_MASKED_EQ, ${mask} as \`value\` and the wanted value as \`valueTwo\``,
        );
      }
    }
  }
}

/** clone3's flags are behind a pointer, which no filter can read. */
function noteClone3({ calls, defaultAction, reader }: LintInput): void {
  const clone = calls.find(({ name }) => name === "clone");
  const clone3 = calls.find(({ name }) => name === "clone3");
  if (clone === undefined || clone.alternatives.every(({ comparisons }) => comparisons.length === 0)) return;
  const action = clone3 === undefined ? defaultAction : (clone3.alternatives[0]?.rule.action ?? defaultAction);
  if (!mayPass(action)) return;
  reader.report(
    "P0707",
    clone.at,
    "rules test the flags of clone, but clone3 passes with any flags",
    "refuse clone3 with ENOSYS (errnoRet 38): glibc falls back to clone",
    { at: action.at, message: "clone3 passes here" },
  );
}

/** Warns of rules that the admission before the policy overrides. */
function noteAdmission({ calls, defaultAction, reader }: LintInput): void {
  const refuses = (call: CallDecision | undefined) =>
    call === undefined || call.alternatives.length === 0
      ? !mayPass(defaultAction)
      : call.alternatives.some(({ rule }) => !mayPass(rule.action));
  const refused = alwaysAllowed.filter((name) => refuses(calls.find((call) => call.name === name)));
  if (refused.length > 0) {
    const place = calls.find(({ name }) => refused.includes(name))?.at ?? defaultAction.at;
    const subject = refused.join(", ");
    reader.report(
      "P0701",
      place,
      `the profile refuses ${subject}: it is always allowed here, because programs need it to exit or continue`,
    );
  }
  const unnamed = uringCalls.filter((name) => !calls.some((call) => call.name === name));
  if (unnamed.length > 0 && mayPass(defaultAction)) {
    reader.report(
      "P0701",
      firstCharacter(defaultAction.at),
      `${unnamed.join(", ")} fail with ENOSYS here unless a rule names them: no filter sees the operations of io_uring`,
    );
  }
}
