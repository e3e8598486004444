/** A policy with what has reached its rules: cases, recorded calls, and events. */

import { callByNumber } from "../../abi/calls.ts";
import type { FileCoverage } from "../../cases/coverage.ts";
import { Coverage } from "../../cases/coverage.ts";
import type { Sources } from "../../diagnostics/render.ts";
import { printLocation } from "../../events/describe.ts";
import type { Program } from "../../ir/program.ts";
import type { Surface } from "./surface.ts";

export interface RuleView {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly verdict: string;
  readonly reason: string | undefined;
  /** The calls that can get the verdict, sorted. */
  readonly calls: readonly string[];
  /** Calls with the verdict pass, without an event. */
  readonly isAllowing: boolean;
  /** Undefined where there are no cases, no traces, no events. */
  readonly cases: number | undefined;
  readonly traces: number | undefined;
  readonly events: number | undefined;
}

export interface SourceLine {
  readonly number: number;
  readonly text: string;
  /** Undefined for a line without a rule or a statement, and without cases. */
  readonly cases: number | undefined;
  readonly hasRule: boolean;
}

export interface PolicyView {
  readonly name: string;
  readonly surface: Surface;
  /** The policy also restricts objects, which no call's verdict shows. */
  readonly declaresObjects: boolean;
  readonly caseFiles: readonly string[];
  readonly failedCases: number;
  readonly rules: readonly RuleView[];
  readonly sources: readonly { readonly file: string; readonly lines: readonly SourceLine[] }[];
  readonly neverEntered: readonly string[];
}

const mostLines = 3_000;

/** Counts the calls that each rule decides, by its place. */
export class RuleHits {
  readonly #hits = new Map<string, number>();
  any = false;

  add(rule: string | undefined, count = 1): void {
    this.any = true;
    if (rule !== undefined) this.#hits.set(rule, (this.#hits.get(rule) ?? 0) + count);
  }

  /** A file has other names in other folders: the end of the shorter one decides. */
  of(rule: string): number {
    let sum = 0;
    for (const [place, count] of this.#hits) if (isSamePlace(place, rule)) sum += count;
    return sum;
  }
}

export function isSamePlace(one: string, other: string): boolean {
  if (one === other) return true;
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return long.endsWith(`/${short.replace(/^(?:\.\.?\/)+/, "")}`);
}

export interface PolicyViewInput {
  readonly program: Program;
  readonly sources: Sources;
  readonly surface: Surface;
  readonly caseFiles: readonly string[];
  readonly failedCases: number;
  /** The coverage by the cases; undefined without cases. */
  readonly coverage: Coverage | undefined;
  readonly traces: RuleHits;
  readonly events: RuleHits;
}

export function viewPolicy(input: PolicyViewInput): PolicyView {
  const { program, surface, caseFiles, failedCases, coverage, traces, events } = input;
  const files = coverage === undefined ? uncovered(program) : coverage.files;
  const calls = callsByPlace(program, surface);
  return {
    ...{ name: program.name, surface, caseFiles, failedCases },
    declaresObjects: program.objects.length > 0 || program.hosts.length > 0,
    rules: files.flatMap(({ file, rules }) =>
      rules.map(({ line, column, verdict, reason, count }) => {
        const place = `${file}:${line}:${column}`;
        return {
          ...{ file, line, column, verdict, reason, calls: calls.get(place) ?? [], isAllowing: verdict === "allow" },
          cases: coverage === undefined ? undefined : count,
          traces: traces.any ? traces.of(place) : undefined,
          events: events.any ? events.of(place) : undefined,
        };
      }),
    ),
    sources: files.map((one) => ({ file: one.file, lines: linesOf(one, input) })),
    neverEntered: (coverage?.phases ?? []).filter(({ isEntered }) => !isEntered).map(({ phase }) => phase),
  };
}

function callsByPlace(program: Program, { calls }: Surface): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, Set<string>>();
  for (const [verdict, numbers] of calls) {
    const place = placeOf(program, verdict);
    if (place === undefined) continue;
    const known = names.get(place) ?? new Set();
    names.set(place, known);
    for (const number of numbers) known.add(callByNumber(program.architecture, number)?.name ?? `call_${number}`);
  }
  return new Map([...names].map(([place, of]) => [place, [...of].sort()]));
}

function uncovered(program: Program): readonly FileCoverage[] {
  const coverage = new Coverage();
  coverage.add(program);
  return coverage.files;
}

function linesOf({ file, lines, rules }: FileCoverage, { sources, coverage }: PolicyViewInput): readonly SourceLine[] {
  const counts = new Map(lines.map(({ line, count }) => [line, count]));
  const ruled = new Set(rules.map(({ line }) => line));
  return (sources.get(file) ?? "")
    .split("\n")
    .slice(0, mostLines)
    .map((text, index) => ({
      ...{ number: index + 1, text, hasRule: ruled.has(index + 1) },
      cases: coverage === undefined ? undefined : counts.get(index + 1),
    }));
}

/** The place of the rule that decided, or of one that did not: the key of `RuleHits`. */
export function placeOf(program: Program, verdict: number): string | undefined {
  const at = program.verdicts[verdict]?.at;
  return at === undefined ? undefined : printLocation(program.files, at);
}
