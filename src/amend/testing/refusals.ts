/** Refused calls and decisions about them, for tests. */

import { callByNumber } from "../../abi/calls.ts";
import { readCall } from "../../cases/cases.ts";
import type { Verdict } from "../../ir/verdicts.ts";
import { verdictText } from "../../ir/verdicts.ts";
import { knownWord } from "../../traces/trace.ts";
import { Amendment } from "../amendment.ts";
import { Groups } from "../groups.ts";
import { compile, type PolicySettings } from "../policy.ts";
import { type PhaseNames, type Refusal, rulingOn } from "../refusal.ts";
import { Session, type SessionFiles } from "../session.ts";

export const settings: PolicySettings = {
  file: "/p.ts",
  architecture: "x86_64",
  parameters: new Map(),
  landlockAbi: 0,
  isFile: (path) => path !== "/srv" && path !== "/srv/a.d",
};

const known = new Map<string, ReturnType<typeof compile>>();

export function compiled(text: string) {
  const found = known.get(text) ?? compile(settings, text);
  if (known.size > 64) known.clear();
  known.set(text, found);
  if (found.program === undefined) throw new Error(found.diagnostics.map(({ message }) => message).join("; "));
  return found;
}

/** A call as case files write it, with the verdict of this policy. Undefined if the policy does not refuse it. */
export function refusalOf(text: string, written: string, phases: PhaseNames = {}): Refusal | undefined {
  const { call } = readCall(written, settings.architecture);
  if (call === undefined) throw new Error(written);
  const { program } = compiled(text);
  const refusal: Refusal = {
    ...{ call: callByNumber(settings.architecture, call.number)?.name, number: call.number },
    ...{ registers: call.registers.map(knownWord), memory: call.memory, phases, text: call.text },
    ...{ verdict: "", command: "server", time: 1_700_000_000, count: 1 },
  };
  const ruling = rulingOn(program, refusal);
  return ruling.is === "refused" ? { ...refusal, ...recorded(ruling.verdict, program.files) } : undefined;
}

function recorded(verdict: Verdict, files: readonly string[]): Pick<Refusal, "verdict" | "reason" | "rule"> {
  const { at, reason } = verdict;
  return {
    verdict: verdictText(verdict),
    ...(reason === undefined ? {} : { reason }),
    ...(at === undefined ? {} : { rule: `${files[at.file]}:${at.line}:${at.column}` }),
  };
}

export function sessionFor(
  text: string,
  refusals: readonly (Refusal | undefined)[],
  cases: SessionFiles["cases"] = [],
) {
  const before = compiled(text);
  const found = new Groups(before.program);
  for (const refusal of refusals) {
    if (refusal === undefined) throw new Error("the policy does not refuse the call");
    found.add(refusal);
  }
  const groups = found.list;
  const amendment = new Amendment(settings, text, before);
  const created = cases.length === 0 ? "/p.cases" : "/p.amend.cases";
  const files: SessionFiles = { policy: { file: settings.file, text }, cases, created };
  return { groups, amendment, session: new Session(amendment, settings, files, groups), before };
}
