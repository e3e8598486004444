/**
 * The state of a compilation, and what every part of the lowering does with it: report, emit, branch, merge.
 *
 * The compiler is an abstract interpreter of the syntax tree. It walks the policy as JavaScript would run it; what is
 * constant it works out, for the rest it emits IR. Functions are inlined by walking their body at each call, loops are
 * unrolled by walking theirs once a round. Where two paths meet, variables that differ become an IR local that each path
 * sets (`merge`), so between meetings a variable is simply its value, with all that is known about it.
 */
import type { CallExpression, Expression as Node } from "@oxc-project/types";
import type { DiagnosticCode } from "../diagnostics/catalogue.ts";
import type { Expression, IntegerExpression, Statement, VerdictExpression } from "../ir/program.ts";
import type { ProgramBuilder } from "./builder.ts";
import type { CallNames } from "./call-names.ts";
import {
  both,
  cellKey,
  contradict,
  either,
  event,
  type Facts,
  forget,
  integerKey,
  lasting,
  noFacts,
  rangeFact,
  tableKey,
} from "./facts.ts";
import * as ir from "./ir.ts";
import { mergeValues, rangeIn } from "./merging.ts";
import type { Parameters } from "./parameters.ts";
import { intersect, isSigned, join, type Range } from "./ranges.ts";
import { GiveUp, type Place, type Reporter } from "./reporter.ts";
import type { LexicalScope, Variable } from "./scope.ts";
import type { SourceFile, Range as SourceRange } from "./source/file.ts";
import {
  type FunctionValue,
  type IntegerValue,
  type JsonValue,
  type UnknownValue,
  unknown,
  type Value,
  verdict,
} from "./values.ts";
import type {
  Branch,
  Flow,
  JumpTarget,
  NamedCall,
  PathEnd,
  ReturnTarget,
  TighteningPromise,
  Walker,
} from "./walker.ts";

/** A text made to exhaust the compiler ends here, in about a second. */
const mostSteps = 2_000_000;
const deepestWalk = 400;
/** A bound constant that is larger than this becomes a local, so that using it often does not multiply it. */
const largestKept = 16;

export class Compilation {
  readonly reporter: Reporter;
  readonly names: CallNames;
  readonly builder: ProgramBuilder;
  readonly parameters: Parameters;
  readonly walker: Walker;
  /** What "portcullis" exports, for better answers about a missing import. */
  libraryNames: ReadonlySet<string> = new Set();
  /** Every function that was met, to check those that nothing calls. */
  readonly functions = new Map<FunctionValue["node"], FunctionValue>();
  readonly applied = new Set<FunctionValue["node"]>();
  /** Functions that were given to one of the library's, which types their parameters; steps among them. */
  readonly contextual = new Set<FunctionValue["node"]>();
  readonly policySteps = new Set<FunctionValue>();

  file: SourceFile;
  scope: LexicalScope;
  flow: Flow = { live: "live", variables: new Map(), facts: noFacts };
  out: Statement[] = [];
  /** Constants are being worked out, or a step is being lowered. */
  time: "constant" | "step" = "constant";
  returns: ReturnTarget | undefined;
  jumps: JumpTarget[] = [];
  readonly callStack: FunctionValue["node"][] = [];
  /** The variable whose initialiser is being evaluated, for the names of state. */
  declares: { readonly name: string; readonly node: SourceRange; readonly initialiser: Node } | undefined;
  /** Counts changes of state: a value that was read from state before a change is kept in a local. */
  epoch = 0;

  // What the walk finds out about the whole policy.
  readonly promises: TighteningPromise[] = [];
  readonly literalNames = new Set<string>();
  /** In the order of the walk, so that a part of it is the part of one step. */
  readonly namedCalls: NamedCall[] = [];
  readsAlive = false;
  readonly rawReads = new Set<SourceRange>();
  readonly returnsOfClone3 = new Set<Statement>();
  references = 0;
  /** By their syntax node, which is one object however often it is walked over. */
  private readonly comparisons = new Map<SourceRange, ComparisonRecord>();

  /** Makes a policy of an OCI profile. */
  profiles: ((profile: JsonValue, host: Value | undefined, node: SourceRange) => Value) | undefined;

  private argumentsOf = { names: 0n, eventNames: 0n, known: new Map<string, Value>() };
  private steps = 0;
  private depth = 0;
  private nesting = 0;

  constructor(parts: {
    reporter: Reporter;
    names: CallNames;
    builder: ProgramBuilder;
    parameters: Parameters;
    walker: Walker;
    scope: LexicalScope;
  }) {
    this.reporter = parts.reporter;
    this.names = parts.names;
    this.builder = parts.builder;
    this.parameters = parts.parameters;
    this.walker = parts.walker;
    this.scope = parts.scope;
    this.file = parts.scope.file;
  }

  callInTail(node: CallExpression, target: ReturnTarget): Value {
    return this.walker.callInTail(this, node, target);
  }

  functionValue(node: FunctionValue["node"], name: string): Value {
    return this.walker.functionValue(this, node, name);
  }

  importProfile(profile: JsonValue, host: Value | undefined, node: SourceRange): Value {
    if (this.profiles !== undefined) return this.profiles(profile, host, node);
    return this.error("P0309", node, "OCI profiles cannot be combined with a policy yet");
  }

  // ── Diagnostics ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reports, and gives the value that makes nothing else report. */
  error(code: DiagnosticCode, node: SourceRange, message: string, help?: string, related?: Related): Value {
    this.reporter.report(code, message, { file: this.file, node }, help, related);
    return unknown;
  }

  /** About values, not about types: says nothing where no call comes, for there the values contradict each other. */
  valueError(code: DiagnosticCode, node: SourceRange, message: string, help?: string): Value {
    if (this.flow.live === "live") return this.error(code, node, message, help);
    // Dead by a constant: the value is not used, and the same place may be fine where it is live.
    return unknown;
  }

  warn(code: DiagnosticCode, node: SourceRange, message: string, help?: string, related?: Related): void {
    this.error(code, node, message, help, related);
  }

  giveUp(code: DiagnosticCode, node: SourceRange, message: string, help?: string): never {
    this.error(code, node, message, help);
    throw new GiveUp(message);
  }

  /** A comparison was decided by ranges. Reported at the end if every walk over it decides it alike. */
  noteComparison(
    node: SourceRange,
    outcome: "always" | "never" | "open",
    words: () => { readonly message: string; readonly help?: string },
  ): void {
    if (this.flow.live !== "live") return;
    const known = this.comparisons.get(node);
    if (known === undefined) {
      const { message, help } = outcome === "open" ? undecided : words();
      this.comparisons.set(node, { outcome, file: this.file, message, help });
    } else if (known.outcome !== outcome) known.outcome = "open";
  }

  reportComparisons(): void {
    for (const [node, { outcome, file, message, help }] of this.comparisons) {
      if (outcome !== "open") this.reporter.report("P0204", `${outcome} true: ${message}`, { file, node }, help);
    }
  }

  // ── Bounds ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins one step of the walk; every expression and statement is one. What begins ends with `leave`. */
  enter(node: SourceRange): void {
    if (++this.steps > mostSteps) this.tooLarge(node);
    if (++this.depth > deepestWalk) {
      this.giveUp(
        "P0318",
        node,
        `nested more than ${deepestWalk} deep`,
        "name parts of it with const, or write a function",
      );
    }
  }

  leave(): void {
    this.depth--;
  }

  private tooLarge(node: SourceRange): never {
    this.giveUp(
      "P0314",
      node,
      "too large: with its loops unrolled and its functions inlined, the policy has more than 200,000 parts",
      "fewer rounds of the loop, or a set of calls or a table in place of it",
    );
  }

  // ── Emitting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bounds the program: a statement more, where the walk is. */
  count(statement: Statement, node: SourceRange): void {
    this.builder.count(statement, this.nesting);
    if (this.builder.tooLarge) this.tooLarge(node);
    if (this.builder.tooDeep) {
      this.giveUp(
        "P0318",
        node,
        "the step nests too deeply once its functions are inlined",
        "return early in place of else",
      );
    }
  }

  emit(statement: Statement, node?: SourceRange): void {
    if (this.flow.live !== "live") return;
    const placed = node === undefined ? statement : { ...statement, at: this.file.location(node) };
    this.count(placed, node ?? { start: 0, end: 0 });
    this.out.push(placed);
  }

  /** Ends the evaluation. Remembers whether the call can be clone3 here, for the rule about it (admission.ts). */
  emitReturn(verdict: VerdictExpression, node: SourceRange): void {
    const { out } = this;
    this.emit({ kind: "return", verdict }, node);
    const statement = out.at(-1);
    if (statement !== undefined && (this.eventNames & this.names.bit("clone3")!) !== 0n) {
      this.returnsOfClone3.add(statement);
    }
  }

  store(cell: number, value: IntegerExpression, node: SourceRange): void {
    this.emit({ kind: "store", cell, value }, node);
    this.changed(cellKey(cell));
  }

  /** State has changed: what was known of it is forgotten. */
  changed(key: string): void {
    this.epoch++;
    this.flow.facts = forget(this.flow.facts, key);
  }

  stateChanged(cell: number): void {
    this.changed(cellKey(cell));
  }

  changeTable(statement: Statement & { readonly table: number }, node: SourceRange): void {
    this.emit(statement, node);
    this.changed(tableKey(statement.table));
  }

  // ── Facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All that is known of an integer here. */
  rangeOf(value: IntegerValue): Range {
    if (value.expression.kind === "constant") return value.range;
    const known = this.flow.facts.ranges.get(integerKey(value));
    return known === undefined ? value.range : (intersect(known, value.range) ?? value.range);
  }

  /** The calls that can come here. */
  get eventNames(): bigint {
    return this.flow.facts.names.get(event) ?? this.names.judgeable;
  }

  /** Arguments that were asked for since these were the calls in question: most are asked for more than once. */
  knownArguments(names: bigint): Map<string, Value> {
    const { eventNames } = this;
    if (this.argumentsOf.names !== names || this.argumentsOf.eventNames !== eventNames) {
      this.argumentsOf = { names, eventNames, known: new Map() };
    }
    return this.argumentsOf.known;
  }

  /** The calls that a variable's type allows here: its declared type, narrowed by tests as tsc does. */
  typedNames(value: { readonly names: bigint; readonly reference: number }): bigint {
    const known = this.flow.facts.names.get(value.reference);
    return known === undefined ? value.names : known & value.names;
  }

  assume(facts: Facts): void {
    this.flow.facts = both(this.flow.facts, facts);
    if (this.flow.facts.impossible && this.flow.live === "live") this.flow.live = "folded";
  }

  /** Can a call come here for which these hold as well? */
  allows(facts: Facts): boolean {
    return this.flow.live === "live" && !contradict(this.flow.facts, facts);
  }

  /** The range of either of two integers, each with what is known of it on its path; undefined where no 64 bits hold it. */
  joinIntegers(a: IntegerValue, flowOfA: Flow, b: IntegerValue, flowOfB: Flow): Range | undefined {
    const range = join(rangeIn(flowOfA, a), rangeIn(flowOfB, b));
    return isSigned(range) || range.from >= 0n ? range : undefined;
  }

  /** What a test says that found this value in this range. */
  rangeFact(value: IntegerValue, range: Range): Facts {
    const key = value.expression.kind === "constant" ? "" : integerKey(value);
    return key === "" ? noFacts : rangeFact(key, range);
  }

  /** What was known before a test that turned out to decide nothing: less, if state has changed since. */
  epochFacts(outer: Facts): Facts {
    return either(outer, this.flow.facts);
  }

  // ── Values that must keep ─────────────────────────────────────────────────────────────────────────────────────────

  /** The same value, computed now: it stays what it is when state changes later, and is small. */
  stable(value: Value): Value {
    return this.needsLocal(value, largestKept)
      ? this.toLocal(value, this.out, this.out.length)
      : withLastingFacts(value);
  }

  /** Evaluates in order, as JavaScript does: what was read before a later one changed state is kept. */
  inOrder<T extends SourceRange>(nodes: readonly T[], evaluate: (node: T) => Value): Value[] {
    if (nodes.length === 1) return [evaluate(nodes[0]!)];
    const values: Value[] = [];
    const ends: number[] = [];
    const { out } = this;
    for (let at = 0; at < nodes.length; at++) {
      const before = this.epoch;
      values.push(evaluate(nodes[at]!));
      if (this.epoch !== before) {
        for (let index = values.length - 2; index >= 0; index--) {
          const value = values[index]!;
          if (this.needsLocal(value, Number.POSITIVE_INFINITY)) {
            const length = out.length;
            values[index] = this.toLocal(value, out, ends[index]!);
            for (let later = index + 1; later < ends.length; later++) ends[later]! += out.length - length;
          } else values[index] = withLastingFacts(value);
        }
      }
      ends.push(out.length);
    }
    return values;
  }

  private needsLocal(value: Value, largest: number): boolean {
    const expression = expressionOf(value);
    if (expression === undefined) return false;
    const { readsState, readsParameter, size } = ir.measure(expression);
    // What is worked out before any call comes has no statements; it is the same wherever it is used.
    if (this.time === "constant" && readsParameter) return false;
    return readsState || size > largest;
  }

  /** Constants are being worked out, and this is known only when the policy is started: a parameter stays open. */
  isLeftOpen(value: Value): boolean {
    const expression = this.time === "constant" ? expressionOf(value) : undefined;
    return expression !== undefined && ir.measure(expression).readsParameter;
  }

  /** Something is decided while constants are worked out that hangs on a parameter. */
  refuseOpen(node: SourceRange): UnknownValue {
    this.error(
      "P0310",
      node,
      "this is decided when the policy is compiled, and hangs on a parameter that stays open",
      "decide it inside the step, or give the parameter its value at `compile`",
    );
    return unknown;
  }

  private toLocal(value: Value, out: Statement[], at: number): Value {
    const insert = (statement: Statement) => {
      if (this.flow.live !== "live") return;
      this.count(statement, { start: 0, end: 0 });
      out.splice(at, 0, statement);
    };
    switch (value.is) {
      case "integer": {
        const local = this.builder.local("integer");
        insert({ kind: "set-integer", local, value: value.expression });
        return { ...value, expression: { kind: "local", local }, range: this.rangeOf(value) };
      }
      case "boolean": {
        const local = this.builder.local("boolean");
        insert({ kind: "set-boolean", local, value: value.expression });
        return {
          ...value,
          expression: { kind: "boolean-local", local },
          whenTrue: lasting(value.whenTrue),
          whenFalse: lasting(value.whenFalse),
        };
      }
      case "verdict": {
        const local = this.builder.local("verdict");
        insert({ kind: "set-verdict", local, value: value.expression });
        return verdict({ kind: "verdict-local", local });
      }
      case "text": {
        const local = this.builder.local("integer");
        insert({ kind: "set-integer", local, value: value.subject });
        return { ...value, subject: { kind: "local", local } };
      }
      default:
        return value;
    }
  }

  /**
   * The variables of a scope that is left are forgotten, unless a function that was made in it may still ask for them.
   * Else a long unrolled loop would drag those of every round along.
   */
  leaveScope(scope: LexicalScope, node: SourceRange): void {
    if (scope.isEmpty) return;
    const variables = scope.ownVariables().filter((one) => one.kind === "let");
    if (variables.length === 0) return;
    const source = scope.file.text.slice(node.start, node.end);
    if (source.includes("=>") || source.includes("function")) return;
    for (const variable of variables) this.flow.variables.delete(variable);
  }

  // ── Branching and merging ─────────────────────────────────────────────────────────────────────────────────────────

  /** Walks one of several paths: from here, with these facts, into a list of statements of its own. */
  branch<T>(facts: Facts, body: () => T): Branch & { readonly value: T } {
    const { flow, out } = this;
    this.flow = { live: flow.live, variables: copyOf(flow.variables), facts: flow.facts };
    this.out = [];
    this.nesting++;
    // What a path must copy counts as work: rounds of a loop that each leave variables behind would go with their square.
    this.steps += (flow.variables.size + flow.facts.ranges.size) >> 2;
    try {
      this.assume(facts);
      const entered = this.flow.live === "live";
      const value = body();
      return { flow: this.flow, out: this.out, value, entered };
    } finally {
      this.nesting--;
      this.flow = flow;
      this.out = out;
    }
  }

  /** Where paths meet again. Emits, at the end of each path, what makes their variables one. */
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
    const variables = new Map<Variable, Value>();
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

  /**
   * Walks a body that can be left early (`leave` of `label`), into the current statements: a block only where something
   * leaves it from inside.
   */
  block(label: number, body: () => void, leaving: () => readonly PathEnd[]): void {
    const { out } = this;
    const inner: Statement[] = [];
    this.out = inner;
    this.nesting++;
    try {
      body();
    } finally {
      this.out = out;
      this.nesting--;
    }
    const ends = [...leaving()];
    if (this.flow.live !== "ended") ends.push({ flow: this.flow, out: inner });
    const end: PathEnd = { flow: this.flow, out: inner };
    const ended = end.flow.live === "ended";
    this.flow = this.merge(ends.length === 0 && ended ? [end] : ends);
    const last = inner.at(-1);
    const living = leaving().filter((one) => one.flow.live === "live");
    if (living.length === 1 && living[0]!.out === inner && last?.kind === "leave" && last.label === label) {
      inner.pop(); // the only leave is the last statement
      out.push(...inner);
    } else if (living.length === 0) out.push(...inner);
    else out.push({ kind: "block", label, body: inner });
  }
}

function expressionOf(value: Value): Expression | undefined {
  if (value.is === "integer" || value.is === "boolean" || value.is === "verdict") return value.expression;
  return value.is === "text" ? value.subject : undefined;
}

function copyOf(variables: ReadonlyMap<Variable, Value>): Map<Variable, Value> {
  return variables.size === 0 ? new Map() : new Map(variables);
}

/** Nothing is to be said of a comparison that is open. */
const undecided: { readonly message: string; readonly help?: string } = { message: "" };

type Related = Place & { readonly message: string };

interface ComparisonRecord {
  outcome: "always" | "never" | "open";
  readonly file: SourceFile;
  readonly message: string;
  readonly help: string | undefined;
}

function withLastingFacts(value: Value): Value {
  if (value.is !== "boolean" || (value.whenTrue === noFacts && value.whenFalse === noFacts)) return value;
  return { ...value, whenTrue: lasting(value.whenTrue), whenFalse: lasting(value.whenFalse) };
}
