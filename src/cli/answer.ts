/**
 * The result of `why`: the verdicts of a call, and the verdict for the command's first process, as data and as text.
 */

import type { Case, Outcome } from "../analysis/explain/explanation.ts";
import { why } from "../analysis/explain/why.ts";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { SimulatedTree } from "../engines/simulate/tree.ts";
import { explainOptions, type FilterProfile } from "../engines/static-filter.ts";
import type { Program } from "../ir/program.ts";
import { actionNames, actions, feignsSuccess, passes, returnsZero } from "../ir/verdicts.ts";
import type { WrittenCall } from "../traces/cases.ts";

export interface PlacedAnswer {
  readonly verdict: string;
  /** With "deny 0": its effect. */
  readonly does?: string | undefined;
  readonly at?: string | undefined;
  readonly reason?: string | undefined;
}

export interface Answer {
  readonly call: string;
  /** Undefined if that depends on state. */
  readonly passes: boolean | undefined;
  /** The only verdict, or "by state". */
  readonly verdict: string;
  readonly admission: "always" | "unknown" | "judged";
  readonly cases: readonly Case[];
  /** The verdict for the command's first process, if this is its first call. */
  readonly atFirst: PlacedAnswer;
}

/** Of verdicts under which the call is executed, as `why` gives them. */
const passingTexts: ReadonlySet<string> = new Set(
  actionNames.filter((action) => passes({ action })).map((action) => actions[action].text),
);

export function answer(program: Program, { number, registers, text }: WrittenCall, profile: FilterProfile): Answer {
  const first = new SimulatedTree(new InterpreterEvaluator(program)).command.call({ number, arguments: registers });
  const { admission, cases } = why(program, { number, arguments: registers }, explainOptions(profile, program));
  const verdicts = new Set(
    cases.flatMap(({ outcomes }) => outcomes).flatMap((one) => one.verdicts.map(({ verdict }) => verdict)),
  );
  const passing = new Set([...verdicts].map((verdict) => passingTexts.has(verdict)));
  const judged = admission === "judged";
  return {
    call: text,
    passes: judged ? (passing.size === 1 ? passing.has(true) : undefined) : first.passes,
    verdict: !judged ? first.verdict : verdicts.size === 1 ? [...verdicts][0]! : "by state",
    admission,
    cases,
    atFirst: {
      verdict: first.verdict,
      ...(first.action !== "unknown" && first.action !== "fails" && feignsSuccess({ action: first.action, errno: first.errno })
        ? { does: returnsZero }
        : {}),
      at: first.rule,
      reason: first.reason,
    },
  };
}

const gates = {
  always: "before the policy: this call is always allowed and never an event of a policy",
  unknown: "before the policy: the policy does not evaluate this call",
} as const;

const places: { readonly [D in Case["decided"]]: string } = {
  bitmap: "in the kernel, by its number alone",
  filter: "in the kernel, by the filter",
  supervisor: "by the engine, which knows the state",
};

export function printAnswer(found: Answer): string {
  if (found.admission !== "judged") return `${found.call}: ${found.verdict}\n  decided ${gates[found.admission]}\n`;
  const [only] = found.cases;
  const outcomes = found.cases.flatMap((one) =>
    one.outcomes.map((outcome) => ({ conditions: one.conditions, outcome })),
  );
  const sole =
    outcomes.length === 1 && outcomes[0]!.outcome.verdicts.length === 1 ? outcomes[0]!.outcome.verdicts[0]! : undefined;
  const lines =
    sole === undefined
      ? [
          `${found.call}: ${found.verdict}`,
          ...outcomes.flatMap(({ conditions, outcome }) => outcomeLines(conditions, outcome)),
          `  at first: ${placed(found.atFirst)}`,
        ]
      : [`${found.call}: ${placed(sole)}`];
  if (only !== undefined) {
    lines.push(`  decided ${places[only.decided]}`);
    const list = (word: string, names: readonly string[]) => {
      if (names.length > 0) lines.push(`  ${word} ${names.join(", ")}`);
    };
    list("reads", unique(found.cases.flatMap((one) => one.reads)));
    list("changes", unique(found.cases.flatMap((one) => one.changes)));
    list("reports", unique(found.cases.flatMap((one) => one.reports)));
    list("because:", unique(found.cases.flatMap((one) => one.because)));
  }
  return `${lines.join("\n")}\n`;
}

function outcomeLines(conditions: readonly string[] | undefined, { phases, verdicts }: Outcome): string[] {
  const when = [...(conditions ?? []), ...(phases === undefined ? [] : [`in ${phases.join(", ")}`])].join("; ");
  return verdicts.map((verdict) => `  ${placed(verdict)}${when === "" ? "" : `  (${when})`}`);
}

function placed({ verdict, does, at, reason }: PlacedAnswer): string {
  const parts = [
    does === undefined ? verdict : `${verdict} (${does})`,
    at,
    reason === undefined ? undefined : JSON.stringify(reason),
  ];
  return parts.filter((part) => part !== undefined).join("  ");
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
