/**
 * Compares two policies call by call: by their splits, in each combination of the phases that both declare. Two decisions
 * differ where some argument gets other possible verdicts, by action and errno, or enters other rooms; reasons and lines do not
 * count.
 */
import { printPattern } from "../../hosts/names.ts";
import type { Program } from "../../ir/program.ts";
import { verdictText } from "../../ir/verdicts.ts";
import type { ArgumentTest, Decision, DecisionLeaf, SplitPolicy } from "../decision.ts";
import { describeTest } from "../explain/conditions.ts";
import { AskedMemory } from "../explain/memory.ts";
import { callName, compactCalls } from "../explain/names.ts";
import { describeObjects } from "../explain/objects.ts";
import { leavesOf, narrow } from "../explain/paths.ts";
import { describeRooms } from "../explain/rooms.ts";
import { unnamedNumber } from "../explain/unnamed.ts";
import { splitPolicy } from "../split/split.ts";

/** Possible verdicts, sorted. More than one: state, memory or an untestable condition decides. */
export type Verdicts = readonly string[];

export interface Change {
  /** Tests of arguments that all hold, as `explain` prints them; none for any arguments. */
  readonly conditions: readonly string[];
  readonly before: Verdicts;
  readonly after: Verdicts;
  /** The rooms that it may enter, as `mapping: discard`; absent where they are the same. */
  readonly rooms?: { readonly before: readonly string[]; readonly after: readonly string[] };
}

export interface CallDifference {
  /** Names; "any other call" stands for those that neither policy distinguishes. */
  readonly calls: readonly string[];
  /** The same with groups, for people. */
  readonly compact: readonly string[];
  /** `phase running` for each combination of phases in which it holds; none if it holds in all. */
  readonly phases: readonly string[];
  readonly changes: readonly Change[];
}

export interface StateDifference {
  readonly what: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface PolicyDifference {
  readonly calls: readonly CallDifference[];
  /** Declared phases, the calls that change them, tables, rooms, conditions on memory, and files that are read-only. */
  readonly state: readonly StateDifference[];
  /** The phases of both policies have too many combinations; all were compared at once. */
  readonly joined: boolean;
}

/** Combinations of phases that are compared one by one. */
const mostCombinations = 32;
const mostPairs = 5000;
const otherCalls = "any other call";

export function comparePolicies(before: Program, after: Program): PolicyDifference {
  const combinations = combinationsOf(before, after);
  const contexts = combinations ?? [anyPhase];
  const found = new Map<string, Found>();
  for (const context of contexts) {
    const splits = [split(before, context.before), split(after, context.after)] as const;
    for (const [number, changes] of differencesOf(before, after, splits)) {
      const key = `${number} ${JSON.stringify(changes)}`;
      const entry = found.get(key) ?? { number, contexts: [], changes };
      found.set(key, entry);
      entry.contexts.push(context);
    }
  }
  return {
    calls: grouped([...found.values()], contexts, before),
    state: stateDifferences(before, after),
    joined: combinations === undefined,
  };
}

// ── Phases ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Context {
  /** By the name of the declaration. */
  readonly phases: ReadonlyMap<string, string>;
  /** Words of cells. */
  readonly before: ReadonlyMap<number, bigint>;
  readonly after: ReadonlyMap<number, bigint>;
}

function phasesOf(program: Program): { cell: number; name: string; names: readonly string[] }[] {
  return program.cells.flatMap(({ name, kind }, cell) =>
    kind.is === "phases" ? [{ cell, name, names: kind.names }] : [],
  );
}

const anyPhase: Context = { phases: new Map(), before: new Map(), after: new Map() };

/** Undefined if there are too many. */
function combinationsOf(before: Program, after: Program): Context[] | undefined {
  let contexts: Context[] = [anyPhase];
  for (const one of phasesOf(before)) {
    const other = phasesOf(after).find(({ name }) => name === one.name);
    const shared = one.names.filter((name) => other?.names.includes(name));
    if (other === undefined || shared.length === 0) continue;
    contexts = contexts.flatMap((context) =>
      shared.map((phase) => ({
        phases: new Map([...context.phases, [one.name, phase]]),
        before: new Map([...context.before, [one.cell, BigInt(one.names.indexOf(phase))]]),
        after: new Map([...context.after, [other.cell, BigInt(other.names.indexOf(phase))]]),
      })),
    );
    if (contexts.length > mostCombinations) return undefined;
  }
  return contexts;
}

/** `role main, phase running`, one for each combination, without the phases that do not matter. */
function describeContexts(some: readonly Context[], all: readonly Context[]): string[] {
  let names = [...(all[0]?.phases.keys() ?? [])];
  const key = ({ phases }: Context, of: readonly string[]) =>
    of.map((name) => `${name} ${phases.get(name)}`).join(", ");
  for (const name of names) {
    const rest = names.filter((other) => other !== name);
    const inside = new Set(some.map((context) => key(context, rest)));
    if (all.filter((context) => inside.has(key(context, rest))).length === some.length) names = rest;
  }
  return names.length === 0 ? [] : [...new Set(some.map((context) => key(context, names)))];
}

function split(program: Program, cells: ReadonlyMap<number, bigint>): SplitPolicy {
  const unnamed = BigInt(unnamedNumber);
  const judged = [...program.admission.judged, { from: unnamed, to: unnamed }];
  return splitPolicy(
    { ...program, admission: { ...program.admission, judged } },
    { superviseProcessCreation: false, cells },
  );
}

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function differencesOf(
  before: Program,
  after: Program,
  [one, two]: readonly [SplitPolicy, SplitPolicy],
): Map<number, readonly Change[]> {
  const found = new Map<number, readonly Change[]>();
  const others = changesOf(unnamedNumber, before, after, one.get(unnamedNumber), two.get(unnamedNumber));
  if (others.length > 0) found.set(unnamedNumber, others);
  for (const number of new Set([...one.keys(), ...two.keys()])) {
    if (number === unnamedNumber) continue;
    const [left, right] = [one.get(number), two.get(number)];
    if (left === one.get(unnamedNumber) && right === two.get(unnamedNumber)) continue;
    const changes = changesOf(number, before, after, left, right);
    if (changes.length > 0) found.set(number, changes);
  }
  return found;
}

/** A call that is not judged fails with ENOSYS (io_uring, foreign numbers). */
const unjudged: Verdicts = ["deny ENOSYS"];

function changesOf(
  number: number,
  before: Program,
  after: Program,
  left: Decision | undefined,
  right: Decision | undefined,
): readonly Change[] {
  const change = (conditions: readonly string[], one: Leaves, two: Leaves): readonly Change[] => {
    const [was, is] = [verdictsOf(before, one), verdictsOf(after, two)];
    const [left, entered] = [enteredBy(before, one), enteredBy(after, two)];
    const differ = !same(left, entered);
    if (same(was, is) && !differ) return [];
    return [{ conditions, before: was, after: is, ...(differ ? { rooms: { before: left, after: entered } } : {}) }];
  };
  const pairs = pairsOf(left, right);
  if (pairs !== undefined) {
    const changes = pairs.flatMap(({ one, two, facts }) => {
      const conditions = [...facts.values()].map((test) => describeTest(test, true, before.architecture, number));
      return change(conditions, one && [one], two && [two]);
    });
    return [...new Map(changes.map((each) => [JSON.stringify(each), each])).values()];
  }
  // Too many: all possible verdicts.
  return change(["some arguments"], left && leavesOf(left), right && leavesOf(right));
}

/** The known facts about the words of a call, by word and mask. */
type Facts = ReadonlyMap<string, ArgumentTest>;

interface Pair {
  readonly one: DecisionLeaf | undefined;
  readonly two: DecisionLeaf | undefined;
  readonly facts: Facts;
}

/** The leaves that the same arguments reach in both decisions; undefined if there are too many. */
function pairsOf(left: Decision | undefined, right: Decision | undefined): Pair[] | undefined {
  const pairs: Pair[] = [];
  const walk = (one: Decision | undefined, two: Decision | undefined, facts: Facts): void => {
    if (pairs.length > mostPairs || one === two) return;
    const node = one?.kind === "test" ? one : two?.kind === "test" ? two : undefined;
    if (node === undefined) {
      pairs.push({ one: one as DecisionLeaf | undefined, two: two as DecisionLeaf | undefined, facts });
      return;
    }
    const { test } = node;
    const key = `${test.word} ${test.mask}`;
    const known = facts.get(key)?.intervals ?? [{ from: 0n, to: test.mask }];
    for (const outcome of [true, false]) {
      const intervals = narrow(known, test.intervals, outcome);
      if (intervals.length === 0) continue;
      const isImplied = narrow(known, test.intervals, !outcome).length === 0;
      const next = isImplied ? facts : new Map([...facts, [key, { ...test, intervals }] as const]);
      const follow = (decision: Decision | undefined) =>
        decision === node ? (outcome ? node.then : node.otherwise) : decision;
      walk(follow(one), follow(two), next);
    }
  };
  walk(left, right, new Map());
  return pairs.length > mostPairs ? undefined : pairs;
}

/** Undefined for a call that is not judged. */
type Leaves = readonly DecisionLeaf[] | undefined;

function verdictsOf(program: Program, leaves: Leaves): Verdicts {
  if (leaves === undefined) return unjudged;
  const texts = leaves.flatMap(({ possible }) => possible.map((verdict) => verdictText(program.verdicts[verdict]!)));
  return [...new Set(texts)].sort();
}

function enteredBy({ rooms }: Program, leaves: Leaves = []): readonly string[] {
  const texts = leaves.flatMap(({ stateful }) =>
    stateful.flatMap((reason) =>
      reason.because === "enters-room"
        ? [`${rooms[reason.room]!.name}: ${rooms[reason.room]!.sides[reason.side]}`]
        : [],
    ),
  );
  return [...new Set(texts)].sort();
}

function same(one: readonly string[], two: readonly string[]): boolean {
  return one.join() === two.join();
}

interface Found {
  readonly number: number;
  readonly contexts: Context[];
  readonly changes: readonly Change[];
}

function grouped(found: readonly Found[], contexts: readonly Context[], program: Program): CallDifference[] {
  const groups = new Map<string, { names: string[]; phases: readonly string[]; changes: readonly Change[] }>();
  for (const { number, contexts: some, changes } of found) {
    const phases = describeContexts(some, contexts);
    const key = JSON.stringify([phases, changes]);
    const group = groups.get(key) ?? { names: [], phases, changes };
    groups.set(key, group);
    group.names.push(number === unnamedNumber ? otherCalls : callName(program.architecture, number));
  }
  const known = new Set([...groups.values()].flatMap(({ names }) => names));
  return [...groups.values()].map(({ names, phases, changes }) => {
    const calls = names.sort();
    return { calls, compact: compactCalls(calls, program.architecture, known), phases, changes };
  });
}

// ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function stateDifferences(before: Program, after: Program): StateDifference[] {
  const [one, two] = [describeStateOf(before), describeStateOf(after)];
  return [...new Set([...one.keys(), ...two.keys()])].sort().flatMap((what) => {
    const [was, is] = [one.get(what), two.get(what)];
    return was === is ? [] : [{ what, before: was, after: is }];
  });
}

/** Descriptions of declared state, rooms and files that are read-only, of calls that change state, and of conditions on memory, by their subjects. */
function describeStateOf(program: Program): Map<string, string> {
  const found = new Map<string, string>();
  const split = splitPolicy(program, { superviseProcessCreation: false });
  program.cells.forEach(({ name, kind, scope, onFork }, cell) => {
    const names = kind.is === "phases" ? ` ${kind.names.join(", ")}` : "";
    const fork =
      typeof onFork === "string" ? onFork : onFork.map.map((phase, from) => mapText(kind, from, phase)).join(", ");
    found.set(`state ${name}`, `${kind.is}${names} for each ${scope}, on fork: ${fork}`);
    const calls = [...split]
      .filter(([, decision]) => changes(decision, cell))
      .map(([number]) => callName(program.architecture, number));
    if (calls.length > 0) found.set(`changes of ${name}`, calls.sort().join(", "));
  });
  for (const { name, capacity, scope } of program.tables)
    found.set(`state ${name}`, `table of ${capacity} for each ${scope}`);
  for (const { name, scope, timeout, late, sides } of describeRooms(program, split)) {
    const list = sides.map((side) => `${side.name}${side.exclusive ? " (one call at a time)" : ""}`).join(", ");
    found.set(`room ${name}`, `${list} for each ${scope}; after ${timeout} ${late}`);
  }
  for (const { lists } of describeObjects(program, undefined))
    for (const { name, items } of lists) {
      const text = items.length === 0 ? "none" : items.join(" ");
      const other = found.get(name);
      found.set(name, other === undefined ? text : `${other}; and ${text}`);
    }
  if (program.hosts.length > 0)
    found.set(
      "hosts",
      program.hosts.map(({ patterns }) => patterns.map(printPattern).sort().join(" ") || "none").join("; and "),
    );
  if (program.readOnlyProc) found.set("files of proc file systems", "the tree opens them for reading only");
  const asked = new Map<number, AskedMemory>();
  program.observations.forEach(({ sources, name }, observation) => {
    for (const { number } of sources) {
      const memory = asked.get(number) ?? new AskedMemory(program, number);
      asked.set(number, memory);
      const questions = memory.questions(observation).sort();
      if (questions.length > 0)
        found.set(`memory of ${callName(program.architecture, number)}, ${name}`, questions.join("; "));
    }
  });
  return found;
}

function changes(decision: Decision, cell: number): boolean {
  const seen = new Set<Decision>([decision]);
  for (const node of seen) {
    if (node.kind === "leaf") {
      if (node.stateful.some((reason) => reason.because === "changes-state" && reason.cell === cell)) return true;
    } else {
      seen.add(node.then);
      seen.add(node.otherwise);
    }
  }
  return false;
}

function mapText(kind: Program["cells"][number]["kind"], from: number, to: number): string {
  return kind.is === "phases" ? `${kind.names[from]} to ${kind.names[to]}` : `${from} to ${to}`;
}
