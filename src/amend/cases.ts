/**
 * Adds cases of decisions to the case files of a policy: at the end of a file in which a process is in the phase of the
 * call, or in a new file.
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import { callByNumber } from "../abi/calls.ts";
import { runCases, tasksAfter } from "../cases/case-run.ts";
import { type CaseFile, type CaseStep, readCases } from "../cases/cases.ts";
import { verdictText } from "../ir/verdicts.ts";
import { knownWord } from "../traces/trace.ts";
import { type Group, signatureKey, signatureOf } from "./groups.ts";
import type { Compiled } from "./policy.ts";
import type { PhaseNames, Refusal } from "./refusal.ts";

type Program = NonNullable<Compiled["program"]>;

export interface CaseText {
  readonly file: string;
  readonly text: string;
}

/** The program of the policy with the parameters that a case file sets; undefined if it does not compile with them. */
export type ProgramFor = (parameters: ReadonlyMap<string, string>) => Program | undefined;

export interface Wanted {
  readonly group: Group;
  /** `refused`: the present verdict is to stay. */
  readonly is: "allowed" | "refused";
  /** The words of the person who decided. */
  readonly comment?: string;
}

export interface WrittenCases {
  /** The files that change, as they are to be. */
  readonly files: readonly CaseText[];
  /** Decisions for which no file has a process in their phase, or whose call cannot be written. */
  readonly without: readonly Wanted[];
}

/** A line with a name and a verdict has at most 4,096 characters. */
const longestCall = 3800;

/**
 * @param created a further file, for processes in their first phase
 * @param program of the amended policy
 */
export function addCases(
  wanted: readonly Wanted[],
  files: readonly CaseText[],
  created: string,
  architecture: ArchitectureName,
  program: ProgramFor,
): WrittenCases {
  const places = files.flatMap((file) => placesIn(file, architecture, program));
  const added = new Map<string, string[]>();
  const without: Wanted[] = [];
  const fresh = startOf(created, architecture, program);
  const hasCreated = files.some(({ file }) => file === created);
  for (const one of wanted) {
    const known = places.find((place) => hasPhases(place.phases, one.group.phases));
    const place =
      known ?? (!hasCreated && fresh !== undefined && hasPhases(fresh.phases, one.group.phases) ? fresh : undefined);
    const line = place === undefined ? undefined : lineOf(one, place);
    if (place === undefined || line === undefined) {
      without.push(one);
      continue;
    }
    const { file } = place.cases;
    const before = added.get(file) ?? [];
    const lines = [...before, ...line];
    const text = joined(files.find((each) => each.file === file)?.text ?? "", lines);
    // A rule may depend on more state than the phase: then the line would not hold there.
    if (passes(text, file, architecture, program)) added.set(file, lines);
    else without.push(one);
  }
  return {
    files: [...added].map(([file, lines]) => ({
      file,
      text: joined(files.find((one) => one.file === file)?.text ?? "", lines),
    })),
    without,
  };
}

interface Place {
  readonly cases: Pick<CaseFile, "file">;
  readonly who: string;
  readonly phases: PhaseNames;
}

function placesIn({ file, text }: CaseText, architecture: ArchitectureName, program: ProgramFor): readonly Place[] {
  const { cases } = readCases(text, file, architecture);
  const compiled = cases === undefined ? undefined : program(cases.parameters);
  if (cases === undefined || compiled === undefined) return [];
  return [...tasksAfter(compiled, cases)].map(([who, phases]) => ({ cases, who, phases }));
}

/** The first process of a new file. */
function startOf(file: string, architecture: ArchitectureName, program: ProgramFor): Place | undefined {
  return placesIn({ file, text: "main getpid() allow\n" }, architecture, program)[0];
}

function hasPhases(phases: PhaseNames, wanted: PhaseNames): boolean {
  return Object.entries(wanted).every(([name, phase]) => phases[name] === phase);
}

function lineOf({ group, is, comment }: Wanted, { who }: Place): readonly string[] | undefined {
  const call = group.variants.map(callText).find((text) => text !== undefined);
  if (call === undefined) return undefined;
  const about = comment === undefined || comment === "" ? [] : [`# ${oneLine(comment)}`];
  return [...about, `${who} ${call}  ${is === "allowed" ? "allow" : group.recorded}`];
}

function callText({ text, object }: Refusal): string | undefined {
  return text.length > longestCall || object !== undefined || /[\r\n]/.test(text) ? undefined : text;
}

function oneLine(text: string): string {
  return text.replace(/\p{C}+|\s+/gu, " ").trim();
}

function joined(text: string, lines: readonly string[]): string {
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  const before = text === "" || text.endsWith("\n") ? text : `${text}${end}`;
  return `${before}${lines.map((line) => `${line}${end}`).join("")}`;
}

function passes(text: string, file: string, architecture: ArchitectureName, program: ProgramFor): boolean {
  const { cases } = readCases(text, file, architecture);
  const compiled = cases === undefined ? undefined : program(cases.parameters);
  if (cases === undefined || compiled === undefined) return false;
  const last = cases.steps.at(-1)?.place.line;
  return runCases(compiled, cases).failures.every(({ place }) => place.line !== last);
}

export interface Conflict {
  /** "web.cases:12" */
  readonly place: string;
  readonly who: string;
  readonly expected: string;
  readonly given: string;
}

/** Cases that pass under the first program, and fail under the other. */
export function conflicts(
  files: readonly CaseText[],
  architecture: ArchitectureName,
  before: ProgramFor,
  after: ProgramFor,
): readonly Conflict[] {
  return files.flatMap(({ file, text }) => {
    const { cases } = readCases(text, file, architecture);
    const [one, two] = cases === undefined ? [] : [before(cases.parameters), after(cases.parameters)];
    if (cases === undefined || one === undefined) return [];
    if (two === undefined) {
      return [{ place: file, who: "the policy", expected: "to compile", given: "it does not, with these parameters" }];
    }
    const known = new Set(runCases(one, cases).failures.map(({ place }) => place.line));
    const failures = runCases(two, cases).failures.filter(({ place }) => !known.has(place.line));
    return [...new Map(failures.map((failure) => [failure.place.line, failure])).values()].map(
      ({ place, step, expected, given }) => ({
        place: `${file}:${place.line}`,
        who: step.kind === "call" ? `${step.who} ${step.text}` : step.kind,
        expected,
        given,
      }),
    );
  });
}

/** The case that demands the refusal of calls of the group in their phase: "web.cases:12". */
export function refusedByCase(
  group: Group,
  files: readonly CaseText[],
  architecture: ArchitectureName,
  program: ProgramFor,
): string | undefined {
  const wanted = new Set(group.signatures.map(signatureKey));
  for (const { file, text } of files) {
    const { cases } = readCases(text, file, architecture);
    const compiled = cases === undefined ? undefined : program(cases.parameters);
    if (cases === undefined || compiled === undefined) continue;
    for (const [index, step] of cases.steps.entries()) {
      if (step.kind !== "call" || expectedText(step) !== group.recorded) continue;
      const { number, memory } = step;
      const call = callByNumber(architecture, number)?.name;
      const signature = signatureOf(compiled, { call, number, memory, registers: step.registers.map(knownWord) });
      if (call !== group.call || signature === undefined || !wanted.has(signatureKey(signature))) continue;
      const phases = tasksAfter(compiled, { ...cases, steps: cases.steps.slice(0, index) }).get(step.who);
      if (phases !== undefined && hasPhases(phases, group.phases)) return `${file}:${step.place.line}`;
    }
  }
  return undefined;
}

function expectedText({ expected: { action, errno } }: CaseStep & { readonly kind: "call" }): string {
  return action === "fails" || action === "waits" ? action : verdictText({ action, errno: errno ?? 0 });
}
