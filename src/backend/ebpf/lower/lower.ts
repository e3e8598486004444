/**
 * Lowers a body of IR statements to the graph.
 *
 * Conditions become branches (never a truth value that is tested afterwards), so `a && b` costs what it costs in C.
 * A load of the context or of a cell is reused as long as it is valid (available-values.ts): loads of an arm are available
 * in that arm only, and a store replaces the cell's value everywhere.
 *
 * A verdict in a variable is `strictness << 56 | the target's word`, so the stricter of two is found by one shift and
 * compare, and what the program returns is its low half.
 */

import { maximumWord } from "../../../abi/word.ts";
import type { Input } from "../../../ir/inputs.ts";
import { difference, emptySet, union } from "../../../ir/intervals.ts";
import type { Location } from "../../../ir/location.ts";
import type {
  BooleanExpression,
  IntegerExpression,
  Interval,
  Program,
  Statement,
  VerdictExpression,
} from "../../../ir/program.ts";
import { strictness } from "../../../ir/verdicts.ts";
import { BodyBuilder } from "../graph/builder.ts";
import { comparable, type DispatchRange, dispatch } from "../graph/dispatch.ts";
import { Block, type GraphOperand, type Value } from "../graph/graph.ts";
import { conditions, mirrored, operators } from "../graph/operators.ts";
import type { JumpCondition } from "../instructions/instruction.ts";
import type { AvailableValues } from "./available-values.ts";
import { type Addition, additionAt, lastPhase } from "./counters.ts";
import { TableAccess } from "./table-access.ts";
import { type EbpfTarget, TargetError } from "./target.ts";
import type { BodyUse } from "./uses.ts";
import { isShort } from "./widths.ts";

/** The bit position of the strictness in the word of a verdict. */
const rankShift = 56;

export class Lowering {
  readonly builder = new BodyBuilder();
  /** The use of state that each exit must close; undefined if none is open. */
  closing: BodyUse | undefined;
  readonly #program: Program;
  readonly #target: EbpfTarget;
  readonly #locals: Value[];
  readonly #labels = new Map<number, Block>();
  readonly #available: AvailableValues;
  readonly #tables: TableAccess;
  readonly #atomic: boolean;
  readonly #use: Pick<BodyUse, "numbers" | "sources">;
  /** Exits by their word, so that equal ones share a block. */
  readonly #exits = new Map<bigint, Block>();
  /** The strictest verdict that full tables have raised so far, as a verdict in a variable; an allow if none has. */
  #raised: Value | undefined;

  /**
   * `atomic`: whether other threads may access shared state at the same time, so that counters need atomic additions.
   * `at`: the location of instructions before the first statement. `use`: the calls that the body judges.
   */
  constructor(
    program: Program,
    target: EbpfTarget,
    available: AvailableValues,
    atomic: boolean,
    at?: Location,
    use: Pick<BodyUse, "numbers" | "sources"> = { numbers: [], sources: new Map() },
  ) {
    this.#available = available;
    this.#use = use;
    this.#atomic = atomic;
    this.builder.at = at;
    this.#program = program;
    this.#target = target;
    this.#tables = new TableAccess(program, target, this.builder);
    // Locals start as 0, false, or verdict 0; `dropDead` removes an unused initialisation.
    const none = this.builder.constant(this.#verdictWord(0));
    this.#locals = program.locals.map((type) => {
      const local = this.builder.fresh();
      this.builder.set(local, type === "verdict" ? none : { immediate: 0 });
      return local;
    });
  }

  /** Before the statements, if a table or a room may raise a verdict. */
  expectRaised(): void {
    this.#raised = this.builder.fresh();
    this.builder.set(this.#raised, this.builder.constant(this.#verdictWord(0)));
  }

  /** Fills a block that may be entered from anywhere, so no value is available in it. */
  block(fill: () => void): Block {
    const { builder } = this;
    const back = builder.current;
    const block = new Block();
    builder.current = block;
    this.#available.isolated(fill);
    builder.current = back;
    return block;
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Lowers a list; statements after a `return` or a `leave` are unreachable and dropped. */
  statements(list: readonly Statement[]): void {
    // Statements that the front end has added have the location of the enclosing statement.
    const around = this.builder.at;
    for (let index = 0; index < list.length; index += 1) {
      if (this.builder.current.terminator !== undefined) break;
      const statement = list[index]!;
      this.builder.at = statement.at ?? around;
      const addition = this.#atomic ? additionAt(this.#program, list, index) : undefined;
      const entered = lastPhase(this.#program, statement);
      if (addition !== undefined && this.#isShared(addition.cell)) {
        this.#add(addition);
        index += addition.length - 1;
      } else if (entered !== undefined) this.#store(entered.cell, this.builder.constant(entered.value));
      else this.#statement(statement);
    }
    this.builder.at = around;
  }

  #statement(statement: Statement): void {
    const { builder } = this;
    switch (statement.kind) {
      case "set-integer":
        builder.set(this.#locals[statement.local]!, this.#integer(statement.value));
        return;
      case "set-boolean":
        this.#choose(this.#locals[statement.local]!, statement.value, { immediate: 1 }, { immediate: 0 });
        return;
      case "set-verdict":
        this.#verdictInto(this.#locals[statement.local]!, statement.value);
        return;
      case "store":
        this.#store(statement.cell, this.#integer(statement.value));
        return;
      case "enter":
        this.#enter(statement.room, statement.side);
        return;
      case "report": {
        const values = statement.values.map((value) => this.#integer(value));
        this.#target.report(builder, statement.report, values, statement.at, this.#program);
        return;
      }
      case "if": {
        const [then, otherwise, after] = [new Block(), new Block(), new Block()];
        this.condition(statement.condition, then, otherwise);
        this.#arm(then, statement.then, after);
        this.#arm(otherwise, statement.otherwise, after);
        this.#continueAt(after);
        return;
      }
      case "switch":
        this.#switch(statement.value, statement.arms, statement.otherwise);
        return;
      case "block": {
        const after = new Block();
        this.#labels.set(statement.label, after);
        this.#available.scoped(() => this.statements(statement.body));
        builder.goto(after);
        this.#continueAt(after);
        return;
      }
      case "leave":
        builder.goto(this.#labels.get(statement.label)!);
        return;
      case "return":
        this.#return(statement.verdict);
        return;
      case "table-set":
        this.#tableSet(statement.table, this.#integer(statement.key), this.#integer(statement.value));
        return;
      case "table-delete":
        this.#tables.delete(statement.table, this.#integer(statement.key));
        return;
      default:
        statement satisfies never;
    }
  }

  #arm(start: Block, body: readonly Statement[], after: Block): void {
    this.#scoped(start, () => this.statements(body), after);
  }

  /** Fills a block that only some paths go through: its values are not available after it. */
  #scoped(start: Block, fill: () => void, after?: Block): void {
    this.builder.current = start;
    this.#available.scoped(fill);
    if (after !== undefined) this.builder.goto(after);
  }

  /** Continues at a block; where no jump reaches it, it and its successors are unreachable and dropped. */
  #continueAt(block: Block): void {
    this.builder.current = block;
  }

  #switch(
    value: IntegerExpression,
    arms: readonly { readonly intervals: readonly Interval[]; readonly body: readonly Statement[] }[],
    otherwise: readonly Statement[],
  ): void {
    const after = new Block();
    const elsewhere = new Block();
    const starts = arms.map(() => new Block());
    // Arms may overlap: the first that holds the value is taken.
    let taken = emptySet;
    const ranges = arms.flatMap((arm, index) => {
      const own = difference(arm.intervals, taken);
      taken = union(taken, own);
      return own.map((interval) => ({ ...interval, block: starts[index]! }));
    });
    ranges.sort((a, b) => (a.from < b.from ? -1 : 1));
    dispatch(
      this.builder,
      this.builder.value(this.#integer(value)),
      ranges,
      elsewhere,
      isShort(this.#target, value),
      0n,
      maximumWord,
    );
    arms.forEach((arm, index) => {
      this.#arm(starts[index]!, arm.body, after);
    });
    this.#arm(elsewhere, otherwise, after);
    this.#continueAt(after);
  }

  // ── Verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #return(verdict: VerdictExpression): void {
    const { builder } = this;
    if (this.#raised !== undefined) {
      // The returned verdict comes first, so it wins over an equally strict one.
      const word = builder.fresh();
      this.#verdictInto(word, verdict);
      this.#raise(word, this.#raised);
      return this.#exitWith(word);
    }
    switch (verdict.kind) {
      case "verdict":
        return this.exitWithVerdict(verdict.verdict);
      case "verdict-select": {
        const [then, otherwise] = [new Block(), new Block()];
        this.condition(verdict.condition, then, otherwise);
        this.#scoped(then, () => this.#return(verdict.then));
        return this.#scoped(otherwise, () => this.#return(verdict.otherwise));
      }
      default: {
        const word = builder.fresh();
        this.#verdictInto(word, verdict);
        return this.#exitWith(word);
      }
    }
  }

  #exitWith(word: Value): void {
    this.#close();
    if (this.#target.epilogue === undefined) this.builder.exit({ value: word });
    else this.builder.finish(word);
  }

  #close(): void {
    if (this.closing !== undefined) this.#target.close?.(this.builder, this.closing);
  }

  exitWithVerdict(verdict: number): void {
    const { builder } = this;
    const back = builder.at;
    builder.at = this.#program.verdicts[verdict]!.at ?? back;
    this.exit(this.#target.word(this.#program, verdict));
    builder.at = back;
  }

  exit(word: bigint): void {
    const { builder } = this;
    let block = this.#exits.get(word);
    if (block === undefined) {
      block = new Block();
      this.#exits.set(word, block);
      const back = builder.current;
      builder.current = block;
      this.#close();
      if (this.#target.epilogue?.wants(word)) builder.finish(builder.value(builder.constant(word)));
      else builder.exit({ immediate: Number(BigInt.asIntN(32, word)) });
      builder.current = back;
    }
    builder.goto(block);
  }

  #verdictWord(verdict: number): bigint {
    const rank = BigInt(strictness[this.#program.verdicts[verdict]!.action]);
    return (rank << BigInt(rankShift)) | this.#target.word(this.#program, verdict);
  }

  #verdictInto(into: Value, verdict: VerdictExpression): void {
    const { builder } = this;
    switch (verdict.kind) {
      case "verdict":
        return builder.set(into, builder.constant(this.#verdictWord(verdict.verdict)));
      case "verdict-local":
        builder.copy(this.#locals[verdict.local]!, into);
        return;
      case "verdict-select": {
        const [then, otherwise, after] = [new Block(), new Block(), new Block()];
        this.condition(verdict.condition, then, otherwise);
        this.#scoped(then, () => this.#verdictInto(into, verdict.then), after);
        this.#scoped(otherwise, () => this.#verdictInto(into, verdict.otherwise), after);
        builder.current = after;
        return;
      }
      case "strictest": {
        const [first, ...others] = verdict.of;
        const word = builder.fresh();
        this.#verdictInto(word, first!);
        for (const other of others) {
          const challenger = builder.fresh();
          this.#verdictInto(challenger, other);
          this.#raise(word, challenger);
        }
        builder.copy(word, into);
        return;
      }
    }
  }

  /** word = challenger, if that is stricter. */
  #raise(word: Value, challenger: Value): void {
    const { builder } = this;
    const rank = builder.arithmetic("shift-right", word, { immediate: rankShift });
    const rival = builder.arithmetic("shift-right", challenger, { immediate: rankShift });
    const [stricter, after] = [new Block(), new Block()];
    builder.branch("greater", rival, { value: rank }, stricter, after);
    builder.current = stricter;
    builder.copy(challenger, word);
    builder.goto(after);
    builder.current = after;
  }

  // ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tableGet({ table, key, otherwise }: IntegerExpression & { kind: "table-get" }): Value {
    const { builder } = this;
    const into = builder.fresh();
    const [absent, after] = [new Block(), new Block()];
    this.#tables.get(table, this.#integer(key), into, absent, after);
    this.#scoped(absent, () => builder.set(into, this.#integer(otherwise)), after);
    builder.current = after;
    return into;
  }

  #enter(room: number, side: number): void {
    const { builder } = this;
    const [refused, after] = [new Block(), new Block()];
    const result = this.#target.enter(builder, room, side, this.#program);
    builder.branch("not-equal", result, { immediate: 0 }, refused, after, 32);
    builder.current = refused;
    const { late } = this.#program.rooms[room]!;
    this.#raise(this.#raised!, builder.value(builder.constant(this.#verdictWord(late))));
    builder.goto(after);
    builder.current = after;
  }

  #tableSet(table: number, key: GraphOperand, value: GraphOperand): void {
    const { builder } = this;
    const [full, after] = [new Block(), new Block()];
    this.#tables.set(table, key, value, full, after);
    builder.current = full;
    const word = builder.value(builder.constant(this.#verdictWord(this.#program.tables[table]!.full)));
    this.#raise(this.#raised!, word);
    builder.goto(after);
    builder.current = after;
  }

  // ── Integers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #integer(expression: IntegerExpression): GraphOperand {
    const { builder } = this;
    switch (expression.kind) {
      case "constant":
        return builder.constant(expression.value);
      case "input":
        return this.#input(expression.input);
      case "local":
        // A copy: the local may be written before this is used.
        return { value: builder.copy(this.#locals[expression.local]!) };
      case "cell":
        return { value: this.#cell(expression.cell) };
      case "parameter":
        return { value: this.#parameter(expression.parameter) };
      case "observed":
        return { value: this.#observed(expression.word) };
      case "binary":
        return { value: this.#binary(expression) };
      case "extend":
        return { value: this.#extend(expression) };
      case "select": {
        const into = builder.fresh();
        const [then, otherwise, after] = [new Block(), new Block(), new Block()];
        this.condition(expression.condition, then, otherwise);
        for (const [block, value] of [
          [then, expression.then],
          [otherwise, expression.otherwise],
        ] as const) {
          this.#scoped(block, () => builder.set(into, this.#integer(value)), after);
        }
        builder.current = after;
        return { value: into };
      }
      case "from-boolean": {
        const into = builder.fresh();
        this.#choose(into, expression.value, { immediate: 1 }, { immediate: 0 });
        return { value: into };
      }
      case "table-get":
        return { value: this.#tableGet(expression) };
    }
  }

  #input(input: Input): GraphOperand {
    const place = this.#target.context[input];
    if (place !== undefined)
      return { value: this.#available.reuse(input, () => this.builder.load(place.size, "context", place.offset)) };
    const value = this.builder.inputs.get(input);
    if (value === undefined)
      throw new TargetError(this.#target, `\`${input}\``, "it is not available here", { at: this.builder.at });
    return { value };
  }

  #observed(word: number): Value {
    const { observed } = this.#target;
    const { name, at } = this.#program.observations[this.#program.words[word]!.observation]!;
    if (observed === undefined)
      throw new TargetError(this.#target, `\`${name}\``, "it does not read behind pointers", { at });
    return this.#available.reuse(
      `observed ${word}`,
      () => observed(this.builder, this.#program, word, this.#use),
      true,
    );
  }

  #parameter(parameter: number): Value {
    const { map, offset } = this.#target.parameter(parameter);
    return this.#available.reuse(`parameter ${parameter}`, () => {
      return this.builder.load(8, this.builder.wide({ is: "map-value", map, offset }), 0);
    });
  }

  #cell(cell: number): Value {
    const { builder } = this;
    const { region, offset, bias } = this.#target.cell(this.#program, cell);
    const at = builder.state.get(region)!;
    return this.#available.reuse(`cell ${cell}`, () => {
      const word = builder.load(8, at.base, at.offset + offset);
      return bias === 0n ? word : builder.arithmetic("add", word, builder.constant(bias));
    });
  }

  #store(cell: number, value: GraphOperand): void {
    const { builder } = this;
    const { region, offset, bias } = this.#target.cell(this.#program, cell);
    const at = builder.state.get(region)!;
    builder.store(8, at.base, at.offset + offset, this.#lessBias(value, bias));
    this.#nowHolds(cell, value);
  }

  /** Safe to forward a store to later loads: no concurrent store, or the access is already atomic. */
  #nowHolds(cell: number, value: GraphOperand): void {
    this.#available.invalidate(`cell ${cell}`);
    this.#available.reuse(`cell ${cell}`, () => this.builder.value(value));
  }

  #isShared(cell: number): boolean {
    return this.#target.isShared(this.#target.cell(this.#program, cell).region);
  }

  #add({ cell, amount, local }: Addition): void {
    const { builder } = this;
    const { region, offset, bias } = this.#target.cell(this.#program, cell);
    const at = builder.state.get(region)!;
    const before = builder.atomicAdd(builder.baseValue(at.base), at.offset + offset, builder.constant(amount));
    const now = builder.exactSum(before, builder.constant(amount + bias));
    this.#nowHolds(cell, { value: now });
    if (local !== undefined) builder.copy(now, this.#locals[local]!);
  }

  #lessBias(value: GraphOperand, bias: bigint): GraphOperand {
    const { builder } = this;
    if (bias === 0n) return value;
    if ("immediate" in value) return builder.constant(BigInt.asUintN(64, BigInt(value.immediate) - bias));
    return { value: builder.arithmetic("subtract", value.value, builder.constant(bias)) };
  }

  #binary(expression: IntegerExpression & { kind: "binary" }): Value {
    const { builder } = this;
    const operator = operators[expression.operator]!;
    const left = builder.value(this.#integer(expression.left));
    let right = this.#integer(expression.right);
    const signedDivision = operator === "divide-signed" || operator === "remainder-signed";
    if (signedDivision && this.#target.processor < 4)
      throw new TargetError(this.#target, "signed division", "it needs instruction set version 4", { at: builder.at });
    // The immediate of a shift must lie in 0 … 63; a register's is masked by the machine, as in the IR.
    if (operator.startsWith("shift") && "immediate" in right) right = { immediate: right.immediate & 63 };
    // The verifier refuses an immediate divisor of 0; a divisor of 0 in a register has the IR's meaning.
    const divides = operator.startsWith("divide") || operator.startsWith("remainder");
    if (divides && "immediate" in right && right.immediate === 0) right = { value: builder.value(right) };
    return builder.arithmetic(operator, left, right);
  }

  #extend(expression: IntegerExpression & { kind: "extend" }): Value {
    const { builder } = this;
    const { width, signed, value } = expression;
    const part = this.#contextPart(value, width);
    if (!signed) {
      if (part !== undefined) return part;
      const whole = builder.value(this.#integer(value));
      if (width === 32) return this.#lowHalf(whole);
      return builder.arithmetic("and", whole, { immediate: width === 8 ? 0xff : 0xffff });
    }
    const source = part ?? builder.value(this.#integer(value));
    if (this.#target.processor >= 4) {
      const destination = builder.fresh();
      builder.emit({ kind: "sign-extend", from: width, destination, source });
      return destination;
    }
    const shifted = builder.arithmetic("shift-left", source, { immediate: 64 - width });
    return builder.arithmetic("shift-right-signed", shifted, { immediate: 64 - width });
  }

  /** 32-bit operations clear the upper half: `w = w & -1` is the move of a low half. */
  #lowHalf(value: Value): Value {
    return this.builder.arithmetic("or", value, { immediate: 0 }, 32);
  }

  /** The low part of a context word, loaded by itself (little-endian: at the word's own offset). */
  #contextPart(value: IntegerExpression, width: 8 | 16 | 32): Value | undefined {
    if (value.kind !== "input") return undefined;
    const place = this.#target.context[value.input];
    const size = (width / 8) as 1 | 2 | 4;
    if (place === undefined || size < this.#target.smallestContextLoad) return undefined;
    return this.#available.reuse(`${value.input} ${width}`, () => this.builder.load(size, "context", place.offset));
  }

  // ── Conditions ────────────────────────────────────────────────────────────────────────────────────────────────────

  #choose(into: Value, condition: BooleanExpression, yes: GraphOperand, no: GraphOperand): void {
    const { builder } = this;
    if (condition.kind === "boolean") return builder.set(into, condition.value ? yes : no);
    const [then, otherwise, after] = [new Block(), new Block(), new Block()];
    this.condition(condition, then, otherwise);
    builder.current = then;
    builder.set(into, yes);
    builder.goto(after);
    builder.current = otherwise;
    builder.set(into, no);
    builder.goto(after);
    builder.current = after;
  }

  /** Ends the current block: branches to `then` if the condition holds, else to `otherwise`. */
  condition(condition: BooleanExpression, then: Block, otherwise: Block): void {
    const { builder } = this;
    switch (condition.kind) {
      case "boolean":
        return builder.goto(condition.value ? then : otherwise);
      case "boolean-local":
        return builder.branch("not-equal", this.#locals[condition.local]!, { immediate: 0 }, then, otherwise);
      case "not":
        return this.condition(condition.value, otherwise, then);
      case "all":
      case "any":
        return this.#sequence(condition.of, condition.kind === "all", then, otherwise);
      case "compare":
        return this.#compare(condition, then, otherwise);
      case "within": {
        const value = builder.value(this.#integer(condition.value));
        const ranges = condition.intervals.map((interval) => ({ ...interval, block: then }));
        return dispatch(builder, value, ranges, otherwise, isShort(this.#target, condition.value), 0n, maximumWord);
      }
      case "table-has":
        return this.#tables.has(condition.table, this.#integer(condition.key), then, otherwise);
      default:
        condition satisfies never;
    }
  }

  /** Ends the current block: branches to the block of the value's range; the ranges cover 0 … `most`. */
  search(value: IntegerExpression, ranges: readonly DispatchRange[], most: bigint): void {
    const { builder } = this;
    const held = builder.value(this.#integer(value));
    dispatch(builder, held, ranges, ranges.at(-1)!.block, isShort(this.#target, value), 0n, most);
  }

  #sequence(conditionsInTurn: readonly BooleanExpression[], all: boolean, then: Block, otherwise: Block): void {
    const { builder } = this;
    if (conditionsInTurn.length === 0) return builder.goto(all ? then : otherwise);
    let scopes = 0;
    conditionsInTurn.forEach((part, index) => {
      const last = index === conditionsInTurn.length - 1;
      const next = last ? (all ? then : otherwise) : new Block();
      if (all) this.condition(part, next, otherwise);
      else this.condition(part, then, next);
      if (last) return;
      builder.current = next;
      // Values of the later operands are not available where an earlier operand has decided.
      this.#available.enter();
      scopes += 1;
    });
    for (; scopes > 0; scopes -= 1) this.#available.leave();
  }

  #compare(condition: BooleanExpression & { kind: "compare" }, then: Block, otherwise: Block): void {
    const { builder } = this;
    const { operator } = condition;
    let { left, right } = condition;
    let jump = conditions[operator];
    if (left.kind === "constant" && right.kind !== "constant") {
      [left, right] = [right, left];
      jump = mirrored[jump]!;
    }
    const equality = jump === "equal" || jump === "not-equal";
    if (
      equality &&
      left.kind === "binary" &&
      left.operator === "and" &&
      right.kind === "constant" &&
      right.value === 0n
    ) {
      if (this.#anyBit(left, jump === "not-equal" ? then : otherwise, jump === "not-equal" ? otherwise : then)) return;
    }
    if (right.kind === "constant") {
      const signedHalf = this.#signedHalf(left, right.value, jump);
      if (signedHalf !== undefined)
        return builder.branch(
          jump,
          signedHalf,
          { immediate: Number(BigInt.asIntN(32, right.value)) },
          then,
          otherwise,
          32,
        );
    }
    const short = isShort(this.#target, left) && isShort(this.#target, right) && !jump.endsWith("-signed");
    const value = builder.value(this.#integer(left));
    const other = short && right.kind === "constant" ? comparable(builder, right.value, true) : this.#integer(right);
    builder.branch(jump, value, other, then, otherwise, short ? 32 : 64);
  }

  /** A sign-extended half against a constant of 32 bits: a signed 32-bit comparison of the half itself. */
  #signedHalf(left: IntegerExpression, constant: bigint, jump: JumpCondition): Value | undefined {
    if (left.kind !== "extend" || left.width !== 32 || !left.signed) return undefined;
    if (jump === "less" || jump === "at-most" || jump === "greater" || jump === "at-least") return undefined;
    const integer = BigInt.asIntN(64, constant);
    if (integer !== BigInt.asIntN(32, constant)) return undefined;
    return this.#contextPart(left.value, 32) ?? this.builder.value(this.#integer(left.value));
  }

  /** `x & mask != 0` as one jump. */
  #anyBit(masked: IntegerExpression & { kind: "binary" }, some: Block, none: Block): boolean {
    const { builder } = this;
    const [value, mask] = masked.left.kind === "constant" ? [masked.right, masked.left] : [masked.left, masked.right];
    if (mask.kind !== "constant" || mask.value > 0xffff_ffffn) return false;
    const half = this.#contextPart(value, 32) ?? builder.value(this.#integer(value));
    builder.branch("any-bit", half, { immediate: Number(BigInt.asIntN(32, mask.value)) }, some, none, 32);
    return true;
  }
}
