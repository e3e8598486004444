/**
 * The result of `why`: the verdicts of a call, and the verdict for the command's first process, as data and as text.
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Case, Outcome } from "../analysis/explain/explanation.ts";
import { AskedMemory, argumentName, observationsOf, withWords } from "../analysis/explain/memory.ts";
import { placeText } from "../analysis/explain/texts.ts";
import { why } from "../analysis/explain/why.ts";
import type { WrittenCall } from "../cases/cases.ts";
import { shellWord } from "../diagnostics/shell-word.ts";
import { explainOptions, type FilterProfile } from "../engines/engine/static-filter.ts";
import { failureText, lackingText } from "../engines/simulate/decision.ts";
import { type LackingMemory, SimulatedMemory } from "../engines/simulate/given-memory.ts";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { denialOfObjects, rulingOfObjects } from "../engines/simulate/object-rulings.ts";
import { SimulatedTree } from "../engines/simulate/tree.ts";
import { type Permit, permitPath, permitWithout } from "../events/permit.ts";
import type { FileList } from "../ir/objects.ts";
import type { Program } from "../ir/program.ts";
import { actionNames, actions, feignsSuccess, mayPass, returnsZero } from "../ir/verdicts.ts";

export interface PlacedAnswer {
  readonly verdict: string;
  /** With "deny 0": its effect. */
  readonly does?: string | undefined;
  readonly at?: string | undefined;
  readonly reason?: string | undefined;
  /** The options of `run` that permit it, if a parameter of the policy does. */
  readonly permit?: Permit;
}

export interface MemoryReading {
  /** `args.path` */
  readonly argument: string;
  /** The policy's comparisons that hold: `args.path.text.under("/etc")`, `args.addr.port = 443`. */
  readonly holds: readonly string[];
  readonly fails: readonly string[];
}

export interface Answer {
  readonly call: string;
  /** Undefined if that depends on state. */
  readonly passes: boolean | undefined;
  /** The one verdict, or "by state"; "by memory" where only memory that is not given decides. */
  readonly verdict: string;
  readonly admission: "always" | "unknown" | "judged";
  readonly cases: readonly Case[];
  /** One for each argument whose memory the policy reads. */
  readonly memory: readonly MemoryReading[];
  /** What the call does not give of arguments, `args.path`. */
  readonly lacking: readonly LackingMemory[];
  /** The memory behind this argument cannot be copied: no rule is asked. */
  readonly failure?: { readonly argument: string };
  /** The policy's declarations about objects deny the call that its step allows, or the call does not show the object. */
  readonly objects?: PlacedAnswer | "unknown";
  /** The verdict for the command's first process, if this is its first call. */
  readonly atFirst: PlacedAnswer;
}

/** The verdicts under which the call is executed, as `why` prints them. */
const passingTexts: ReadonlySet<string> = new Set(
  actionNames.filter((action) => mayPass({ action })).map((action) => actions[action].text),
);

export function answer(program: Program, call: WrittenCall, profile: FilterProfile): Answer {
  const found = answerOfStep(program, call, profile);
  if (found.passes === false) return found;
  const { number, registers, memory } = call;
  const event = { number, arguments: registers };
  const denial = rulingOfObjects(program, event, memory);
  if (denial === undefined) return found;
  if (denial === "unknown") return { ...found, passes: undefined, objects: "unknown" };
  const { verdict, at, reason } = denial;
  const permit = permitOfObjects(program, denialOfObjects(program, event, memory));
  const objects = { verdict, at: at && placeText(program, at), reason, ...(permit === undefined ? {} : { permit }) };
  return { ...found, passes: false, verdict, objects };
}

/** Of the operation's path; for what a directory's entries need, and for a file that does not exist, of the directory. */
function permitOfObjects(program: Program, denial: ReturnType<typeof denialOfObjects>): Permit | undefined {
  if (denial === undefined || denial === "unknown") return undefined;
  const { setting, declared, protects, right } = denial.denied;
  const { settings } = program;
  if (protects !== undefined) return protects.from && permitWithout(settings, [protects.from]);
  const { operation } = denial;
  const [, list] = setting.split(".");
  const [name] = (setting.startsWith("files.") && declared.files?.settings?.[list as FileList]) || [];
  if (name === undefined || !("path" in operation)) return undefined;
  const isOfEntries = /^(?:make|remove)-/.test(right) || !existsSync(operation.path);
  return permitPath(settings, name, isOfEntries ? dirname(operation.path) : operation.path);
}

function answerOfStep(program: Program, call: WrittenCall, profile: FilterProfile): Answer {
  const { number, registers, memory, text } = call;
  const first = new SimulatedTree(new InterpreterEvaluator(program)).command.call({
    number,
    arguments: registers,
    memory,
  });
  const options = explainOptions(profile, program);
  const question = { number, arguments: registers };
  const open = why(program, question, options);
  const { action, errno } = first;
  const feigns = action !== "unknown" && action !== "fails" && feignsSuccess({ action, errno });
  const atFirst = {
    verdict: first.verdict,
    ...(feigns ? { does: returnsZero } : {}),
    at: first.rule,
    reason: first.reason,
  };
  // Without known memory: the memory that the policy reads for this call.
  const memoryReads = unique(open.cases.flatMap(({ reads }) => reads)).filter((name) => name.startsWith("args."));
  if (open.admission !== "judged" || memoryReads.length === 0) {
    return {
      ...summary(open.cases, open.admission, first),
      call: text,
      cases: open.cases,
      memory: [],
      lacking: [],
      atFirst,
    };
  }
  const read = new SimulatedMemory(program).words(number, memory, (register) => ({
    value: registers[register]!,
    unknown: 0n,
  }));
  if ("errno" in read) {
    const verdict = failureText(read.errno);
    const failure = { call: text, passes: false, verdict, admission: open.admission, cases: [], lacking: [] };
    return { ...failure, memory: [], failure: { argument: read.argument }, atFirst };
  }
  const known = read.words.map((word, index) => (read.unknown[index] === 0n ? word : undefined));
  const lacks = new Map(read.lacking.map(({ argument, lacks }) => [`args.${argument}`, lacks]));
  const answered = why(withWords(program, known), question, options).cases;
  // The engine reads all observed memory before a judgement, also memory that the judgement then does not need.
  const cases = answered.map(
    (one): Case => ({ ...one, decided: "supervisor", reads: unique([...memoryReads, ...one.reads]) }),
  );
  return {
    ...summary(cases, open.admission, first),
    call: text,
    cases,
    memory: readings(program, number, known).filter(({ argument }) => memoryReads.includes(argument)),
    lacking: unique(answered.flatMap((one) => one.reads))
      .filter((name) => name.startsWith("args."))
      .map((argument) => ({ argument, lacks: lacks.get(argument) ?? "memory" })),
    atFirst,
  };
}

function summary(
  cases: readonly Case[],
  admission: Answer["admission"],
  first: { readonly passes: boolean | undefined; readonly verdict: string },
): Pick<Answer, "passes" | "verdict" | "admission"> {
  if (admission !== "judged") return { passes: first.passes, verdict: first.verdict, admission };
  const verdicts = unique(
    cases.flatMap(({ outcomes }) => outcomes).flatMap((one) => one.verdicts.map(({ verdict }) => verdict)),
  );
  const passing = new Set(verdicts.map((verdict) => passingTexts.has(verdict)));
  const reads = cases.flatMap((one) => one.reads);
  const by = reads.length > 0 && reads.every((name) => name.startsWith("args.")) ? "by memory" : "by state";
  return {
    passes: passing.size === 1 ? passing.has(true) : undefined,
    verdict: verdicts.length === 1 ? verdicts[0]! : by,
    admission,
  };
}

/** The policy's comparisons of each argument's memory, and those that hold. */
function readings(program: Program, number: number, words: readonly (bigint | undefined)[]): MemoryReading[] {
  const asked = new AskedMemory(program, number);
  return observationsOf(program, number).map(({ index, observation }) => {
    const answers = program.words.flatMap((word, place) => {
      const value = words[place];
      return word.observation !== index || value === undefined ? [] : [asked.answers(place, value)];
    });
    return {
      argument: argumentName(observation),
      holds: answers.flatMap(({ holds }) => holds),
      fails: answers.flatMap(({ fails }) => fails),
    };
  });
}

/** More of them are in --json only. */
const mostQuestions = 16;

const gates = {
  always: "before the policy: this call is always allowed and never an event of a policy",
  unknown: "before the policy: the policy does not evaluate this call",
} as const;

const places: { readonly [D in Case["decided"]]: string } = {
  bitmap: "in the kernel, by its number alone",
  filter: "in the kernel, by the filter",
  event: "by the supervisor, for the event; with `run --no-denial-events` in the kernel, by the filter",
  supervisor: "by the engine, which knows the state",
};

export function printAnswer(found: Answer): string {
  if (found.failure !== undefined) {
    const why = `the memory behind ${found.failure.argument} cannot be copied, so no rule is asked`;
    return `${found.call}: ${found.verdict}\n  ${why}\n`;
  }
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
          ...(found.atFirst.verdict === "unknown" ? [] : [`  at first: ${placed(found.atFirst)}`]),
        ]
      : [`${found.call}: ${placed(sole)}`];
  if (found.objects === "unknown")
    lines.push("  not asked: what the policy declares about objects; write an absolute path");
  else if (found.objects !== undefined) {
    const [step, ...others] = lines;
    const stepVerdict = step!.slice(found.call.length + ": ".length);
    lines.splice(
      0,
      lines.length,
      `${found.call}: ${placed(found.objects)}`,
      ...(found.objects.permit === undefined
        ? []
        : [`  to permit it: ${found.objects.permit.map(shellWord).join(" ")}`]),
      `  after the step: ${stepVerdict}`,
      ...others,
    );
  }
  if (only !== undefined) {
    const reads = found.cases.flatMap((one) => one.reads);
    const readsMemory = reads.some((name) => name.startsWith("args."));
    lines.push(`  decided ${readsMemory ? "by the engine, which reads the memory" : places[only.decided]}`);
    const list = (word: string, names: readonly string[]) => {
      if (names.length > 0) lines.push(`  ${word} ${names.join(", ")}`);
    };
    list("reads", unique(found.cases.flatMap((one) => one.reads)));
    list("changes", unique(found.cases.flatMap((one) => one.changes)));
    list("enters", unique(found.cases.flatMap((one) => one.enters)));
    list("reports", unique(found.cases.flatMap((one) => one.reports)));
    list("matches", found.memory.flatMap((one) => one.holds).slice(0, mostQuestions));
    list("but not", found.memory.flatMap((one) => one.fails).slice(0, mostQuestions));
    list("not given:", found.lacking.length === 0 ? [] : [lackingText(found.lacking)]);
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
