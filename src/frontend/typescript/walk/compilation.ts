/**
 * The state of a compilation and its basic operations: report, emit, branch, merge.
 *
 * The compiler is an abstract interpreter of the syntax tree. It walks the policy in JavaScript's order, evaluates
 * constants, and emits IR for the rest. A function is inlined by walking its body at each call; a loop is unrolled by
 * walking its body once a round. Where paths join, variables that differ become an IR local that each path sets (`merge`),
 * so between joins a variable is its value and the facts about it.
 */

import type { Expression as Node } from "oxc-parser";
import type { DiagnosticCode } from "../../../diagnostics/catalogue.ts";
import type { IntegerExpression, Statement, VerdictExpression } from "../../../ir/program.ts";
import type { OciHost } from "../../oci/profile.ts";
import type { ProgramBuilder } from "../../program/builder.ts";
import type { CallNames } from "../../program/call-names.ts";
import type { SourceFile, Range as SourceRange } from "../../source/file.ts";
import { GiveUp, type Place, type Reporter } from "../../source/reporter.ts";
import {
  both,
  cellKey,
  contradict,
  either,
  event,
  type Facts,
  forget,
  integerKey,
  noFacts,
  tableKey,
} from "../values/facts.ts";
import { intersect, type Range } from "../values/ranges.ts";
import type { LexicalScope, Variable } from "../values/scope.ts";
import { type ArgumentsValue, type FunctionValue, type IntegerValue, unknown, type Value } from "../values/values.ts";
import { Bounds } from "./bounds.ts";
import { DecidedComparisons, type Outcome } from "./decided-comparisons.ts";
import { Findings } from "./findings.ts";
import type { Branch, Flow, JumpTarget, PathEnd, ReturnTarget } from "./flow.ts";
import { mergeValues } from "./merging.ts";
import type { Parameters } from "./parameters.ts";
import type { Walker } from "./walker.ts";

export class Compilation {
  readonly reporter: Reporter;
  readonly names: CallNames;
  readonly builder: ProgramBuilder;
  readonly parameters: Parameters;
  readonly walker: Walker;
  /** The exports of "portcullis", for messages about a missing import. */
  /** LoadOptions.landlockAbi, which most policies do not need. */
  readonly landlockAbi: () => number;
  /** LoadOptions.kernelCounts. */
  readonly kernelCounts: boolean;
  libraryNames: ReadonlySet<string> = new Set();
  readonly findings = new Findings();
  /** The host for which OCI profiles are read. */
  readonly host: OciHost;
  readonly bounds: Bounds;

  file: SourceFile;
  scope: LexicalScope<Value>;
  flow: Flow = { live: "live", variables: new Map(), facts: noFacts };
  out: Statement[] = [];
  /** Whether constants are evaluated or a step is lowered. */
  time: "constant" | "step" = "constant";
  returns: ReturnTarget | undefined;
  jumps: JumpTarget[] = [];
  readonly callStack: FunctionValue["node"][] = [];
  /** The variable whose initialiser is evaluated; its name becomes the name of state. */
  declares: { readonly name: string; readonly node: SourceRange; readonly initialiser: Node } | undefined;
  /** Counts changes of state: a value that was read from state before a change is saved in a local. */
  epoch = 0;

  /** The number of references; each stands for a variable that holds the call, or for an address, in the facts about it. */
  references = 0;
  readonly #comparisons = new DecidedComparisons();
  private argumentsOf = { names: 0n, eventNames: 0n, reference: 0, known: new Map<string, Value>() };
  private readonly referencesOfArguments = new Map<string, number>();

  constructor(parts: {
    reporter: Reporter;
    host: OciHost;
    names: CallNames;
    builder: ProgramBuilder;
    parameters: Parameters;
    landlockAbi: () => number;
    kernelCounts: boolean;
    walker: (c: Compilation) => Walker;
    scope: LexicalScope<Value>;
  }) {
    this.reporter = parts.reporter;
    this.host = parts.host;
    this.names = parts.names;
    this.builder = parts.builder;
    this.parameters = parts.parameters;
    this.landlockAbi = parts.landlockAbi;
    this.kernelCounts = parts.kernelCounts;
    this.walker = parts.walker(this);
    this.bounds = new Bounds(parts.builder, (...fault) => this.giveUp(...fault));
    this.scope = parts.scope;
    this.file = parts.scope.file;
  }

  // ── Diagnostics ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reports an error and returns a value that causes no further reports. */
  error(code: DiagnosticCode, node: SourceRange, message: string, help?: string, related?: Related): Value {
    this.reporter.report(code, message, { file: this.file, node }, help, related);
    return unknown;
  }

  /** Reports an error about a value, not a type. Silent in unreachable code, where values contradict each other. */
  valueError(code: DiagnosticCode, node: SourceRange, message: string, help?: string): Value {
    if (this.flow.live === "live") return this.error(code, node, message, help);
    // Dead because of a constant: the value is unused, and the same place may be valid when it is live.
    return unknown;
  }

  warn(code: DiagnosticCode, node: SourceRange, message: string, help?: string, related?: Related): void {
    this.error(code, node, message, help, related);
  }

  giveUp(code: DiagnosticCode, node: SourceRange, message: string, help?: string): never {
    this.error(code, node, message, help);
    throw new GiveUp(message);
  }

  /** Records whether ranges decide a comparison; reported after the walk. */
  noteComparison(
    node: SourceRange,
    outcome: Outcome,
    message: () => { readonly message: string; readonly help?: string },
  ): void {
    if (this.flow.live === "live") this.#comparisons.note(this.file, node, outcome, message);
  }

  reportComparisons(): void {
    this.#comparisons.report(this.reporter);
  }

  // ── Emitting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  emit(statement: Statement, node?: SourceRange): void {
    if (this.flow.live !== "live") return;
    const placed = node === undefined ? statement : { ...statement, at: this.file.location(node) };
    this.bounds.count(placed, node ?? { start: 0, end: 0 });
    this.out.push(placed);
  }

  /** Ends the evaluation. Records whether clone3 can reach this return, for its rule (admission.ts). */
  emitReturn(verdict: VerdictExpression, node: SourceRange): void {
    const { out } = this;
    this.emit({ kind: "return", verdict }, node);
    const statement = out.at(-1);
    if (statement !== undefined && (this.eventNames & this.names.bit("clone3")!) !== 0n) {
      this.findings.returnsOfClone3.add(statement);
    }
  }

  store(cell: number, value: IntegerExpression, node: SourceRange): void {
    this.emit({ kind: "store", cell, value }, node);
    this.changed(cellKey(cell));
  }

  /** Drops the facts about state that has changed. */
  changed(key: string): void {
    this.epoch++;
    this.flow.facts = forget(this.flow.facts, key);
  }

  changeTable(statement: Statement & { readonly table: number }, node: SourceRange): void {
    this.emit(statement, node);
    this.changed(tableKey(statement.table));
  }

  // ── Facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The range of an integer here, with all facts. */
  rangeOf(value: IntegerValue): Range {
    if (value.expression.kind === "constant") return value.range;
    const known = this.flow.facts.ranges.get(integerKey(value));
    return known === undefined ? value.range : (intersect(known, value.range) ?? value.range);
  }

  /** The calls that can reach this place. */
  get eventNames(): bigint {
    return this.flow.facts.names.get(event) ?? this.names.judgeable;
  }

  /** Arguments that were evaluated for this variable and set of calls: most are used more than once. */
  knownArguments({ names, reference }: ArgumentsValue): Map<string, Value> {
    const { eventNames, argumentsOf: last } = this;
    if (last.names !== names || last.eventNames !== eventNames || last.reference !== reference) {
      this.argumentsOf = { names, eventNames, reference, known: new Map() };
    }
    return this.argumentsOf.known;
  }

  /** The reference of an argument, by that of the variable that holds the call: as in tsc, each variable is narrowed alone. */
  argumentReference(call: number, name: string): number {
    const key = `${call} ${name}`;
    const known = this.referencesOfArguments.get(key) ?? ++this.references;
    this.referencesOfArguments.set(key, known);
    return known;
  }

  /** The calls that a variable's type permits here: its declared type, narrowed by tests as in tsc. */
  typedNames(value: { readonly names: bigint; readonly reference: number }): bigint {
    const known = this.flow.facts.names.get(value.reference);
    return known === undefined ? value.names : known & value.names;
  }

  assume(facts: Facts): void {
    this.flow.facts = both(this.flow.facts, facts);
    if (this.flow.facts.impossible && this.flow.live === "live") this.flow.live = "folded";
  }

  /** Whether a call can reach this place for which these facts hold as well. */
  allows(facts: Facts): boolean {
    return this.flow.live === "live" && !contradict(this.flow.facts, facts);
  }

  /**
   * Drops the variables of a scope at its end, unless a function that was created in it may still use them. Otherwise a
   * long unrolled loop would carry those of every round.
   */
  leaveScope(scope: LexicalScope<Value>, node: SourceRange): void {
    if (scope.isEmpty) return;
    const variables = scope.ownVariables().filter((one) => one.kind === "let");
    if (variables.length === 0) return;
    const source = scope.file.text.slice(node.start, node.end);
    if (source.includes("=>") || source.includes("function")) return;
    for (const variable of variables) this.flow.variables.delete(variable);
  }

  // ── Branching and merging ─────────────────────────────────────────────────────────────────────────────────────────

  /** Walks one of several paths: from here, with these facts, into its own list of statements. */
  branch<T>(facts: Facts, body: () => T): Branch & { readonly value: T } {
    const { flow, out } = this;
    this.flow = { live: flow.live, variables: copyOf(flow.variables), facts: flow.facts };
    this.out = [];
    // Copying the flow counts as work: if each round of a loop left variables behind, the time would be quadratic.
    this.bounds.charge((flow.variables.size + flow.facts.ranges.size) >> 2);
    try {
      this.assume(facts);
      const entered = this.flow.live === "live";
      const value = this.bounds.nested(body);
      return { flow: this.flow, out: this.out, value, entered };
    } finally {
      this.flow = flow;
      this.out = out;
    }
  }

  /** Joins paths. Emits at the end of each path the assignments that make its variables equal. */
  merge(ends: readonly PathEnd[]): Flow {
    const living: PathEnd[] = [];
    let isUncertain = false;
    for (let at = 0; at < ends.length; at++) {
      const { flow } = ends[at]!;
      if (flow.live === "live") living.push(ends[at]!);
      if (flow.uncertain === true) isUncertain = true;
    }
    const uncertain = isUncertain ? { uncertain: true as const } : {};
    if (living.length === 0) {
      const folded = ends.find((end) => end.flow.live === "folded");
      const flow = folded?.flow ?? ends[0]?.flow ?? this.flow;
      return {
        live: folded === undefined ? "ended" : "folded",
        variables: flow.variables,
        facts: flow.facts,
        ...uncertain,
      };
    }
    const [first, ...others] = living;
    if (others.length === 0) return { ...first!.flow, ...uncertain };
    const variables = new Map<Variable<Value>, Value>();
    const known = first!.flow.variables;
    for (const [variable, value] of known.size === 0 ? [] : known) {
      const values = [value, ...others.map((end) => end.flow.variables.get(variable))];
      if (values.includes(undefined)) continue; // declared on one path only
      variables.set(variable, this.mergeValues(living, values as Value[], { file: variable.file, node: variable.at }));
    }
    const facts = others.reduce((known, end) => either(known, end.flow.facts), first!.flow.facts);
    return { live: "live", variables, facts, ...uncertain };
  }

  mergeValues(ends: readonly PathEnd[], values: readonly Value[], place: Place): Value {
    return mergeValues(this, ends, values, place);
  }

  /** Maps a statement list to the list into which it was inlined. */
  private readonly inlined = new WeakMap<Statement[], Statement[]>();

  /**
   * Appends the statements of a path that is certainly taken. A later merge may still append to that path:
   * `statementsOf` finds the list.
   */
  inline(statements: Statement[]): void {
    this.out.push(...statements);
    this.inlined.set(statements, this.out);
  }

  /** The list that now contains the last statements of a path. */
  statementsOf({ out }: PathEnd): Statement[] {
    let list = out;
    for (let next = this.inlined.get(list); next !== undefined; next = this.inlined.get(list)) list = next;
    return list;
  }

  /** Walks a body that can be left early (`leave` of `label`). Emits a block only if something leaves it early. */
  block(label: number, body: () => void, leaving: () => readonly PathEnd[]): void {
    const { out } = this;
    const inner: Statement[] = [];
    this.out = inner;
    try {
      this.bounds.nested(body);
    } finally {
      this.out = out;
    }
    const ends = [...leaving()];
    if (this.flow.live !== "ended") ends.push({ flow: this.flow, out: inner });
    const end: PathEnd = { flow: this.flow, out: inner };
    const ended = end.flow.live === "ended";
    this.flow = this.merge(ends.length === 0 && ended ? [end] : ends);
    const last = inner.at(-1);
    const living = leaving().filter((one) => one.flow.live === "live");
    if (
      living.length === 1 &&
      this.statementsOf(living[0]!) === inner &&
      last?.kind === "leave" &&
      last.label === label
    ) {
      inner.pop(); // the only leave is the last statement
      this.inline(inner);
    } else if (living.length === 0) this.inline(inner);
    else out.push({ kind: "block", label, body: inner });
  }
}

function copyOf(variables: ReadonlyMap<Variable<Value>, Value>): Map<Variable<Value>, Value> {
  return variables.size === 0 ? new Map() : new Map(variables);
}

type Related = Place & { readonly message: string };
