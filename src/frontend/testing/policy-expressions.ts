/**
 * Writes IR expressions in the policy language. An IR integer is a pattern; it is written as the integer 0 … 2^64 − 1
 * with that pattern, and converted with `BigInt.asIntN(64, …)` where an operator reads it as signed.
 */

import { allCallNames, callByName } from "../../abi/calls.ts";
import { isCreatingCall } from "../../abi/process-calls.ts";
import { maximumSigned, maximumWord } from "../../abi/word.ts";
import type { Input } from "../../ir/inputs.ts";
import type { BooleanExpression, IntegerExpression, Interval, Program, VerdictExpression } from "../../ir/program.ts";
import { alwaysAllowed, uringCalls } from "../program/call-names.ts";

/** A piece of source; `whole` if it can be an operand without parentheses. */
export interface Piece {
  readonly text: string;
  readonly whole: boolean;
}

const whole = (text: string): Piece => ({ text, whole: true });
const part = (text: string): Piece => ({ text, whole: false });
export const yes = whole("true");
export const no = whole("false");

/** The piece as an operand, in parentheses if needed. */
const operand = ({ text, whole }: Piece): string => (whole ? text : `(${text})`);

/** The names of a program's declarations in the module; each use is recorded. */
export interface Names {
  local(index: number): string;
  cell(index: number): string;
  table(index: number): string;
  verdict(index: number): string;
  /** Whether the cell is declared with its kind, or as a plain value. */
  keepsKind(cell: number): boolean;
}

/**
 * Comparisons that the compiler may find decided. A decided comparison is an error, so the next round writes its
 * outcome instead. A place has the same name each time the module is written.
 */
export interface Places {
  /** The same name for the same part of the same object. */
  place(owner: object, part: string): string;
  outcome(place: string): boolean | undefined;
  /** Marks the source so that its position can be found. */
  mark(place: string, text: string): string;
}

const inputNames: { readonly [I in Input]: string } = {
  number: "call.number",
  instructionPointer: "call.instructionPointer",
  argument0: "call.raw.arg0",
  argument1: "call.raw.arg1",
  argument2: "call.raw.arg2",
  argument3: "call.raw.arg3",
  argument4: "call.raw.arg4",
  argument5: "call.raw.arg5",
  now: "now()",
  pid: "call.caller.pid",
  tid: "call.caller.tid",
  uid: "call.caller.uid",
  gid: "call.caller.gid",
  alive: "tree.alive()",
};

const plainOperators = { and: "&", or: "|", xor: "^" } as const;
const wrappingOperators = { add: "+", subtract: "-", multiply: "*" } as const;
/** Up to this many calls are named one by one. */
const mostNames = 12;

export class ExpressionWriter {
  readonly #program: Program;
  readonly #names: Names;
  readonly #places: Places;
  /** Whether naming a call that creates processes is harmless, or triggers the clone3 rule (docs/language.md). */
  readonly #namesProcessCreation: boolean;
  /** Statements to write before the current one: names for parts of its expressions. */
  before: string[] = [];
  /** The next number for such a name. */
  fresh = 0;

  constructor(program: Program, names: Names, places: Places, namesMakers: boolean) {
    this.#program = program;
    this.#names = names;
    this.#places = places;
    this.#namesProcessCreation = namesMakers;
  }

  // ── Integers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  integer(expression: IntegerExpression): Piece {
    switch (expression.kind) {
      case "constant":
        return whole(constantText(expression.value));
      case "input":
        return whole(inputNames[expression.input]);
      case "parameter":
        throw new TypeError("the program's parameters are open: bind them first (ir/parameters.ts)");
      case "observed":
        throw new TypeError("a policy for a program with observations is not written");
      case "local":
        return whole(this.#names.local(expression.local));
      case "cell":
        return this.#cell(expression.cell);
      case "binary":
        return this.#binary(expression);
      case "extend": {
        const value = this.integer(expression.value).text;
        const narrow = `BigInt.as${expression.signed ? "Int" : "Uint"}N(${expression.width}, ${value})`;
        return whole(expression.signed ? unsigned(narrow) : narrow);
      }
      case "select":
        return this.#conditional(
          this.boolean(expression.condition),
          () => this.integer(expression.then),
          () => this.integer(expression.otherwise),
        );
      case "table-get": {
        const [key, otherwise] = [this.integer(expression.key), this.integer(expression.otherwise)];
        return whole(`${this.#names.table(expression.table)}.get(${key.text}, ${otherwise.text})`);
      }
      case "from-boolean":
        return this.#conditional(
          this.boolean(expression.value),
          () => whole("1n"),
          () => whole("0n"),
        );
    }
  }

  #cell(index: number): Piece {
    const name = this.#names.cell(index);
    const { kind } = this.#program.cells[index]!;
    if (!this.#names.keepsKind(index)) return whole(`${name}.get()`);
    if (kind.is === "flag") {
      return this.#conditional(
        whole(`${name}.get()`),
        () => whole("1n"),
        () => whole("0n"),
      );
    }
    if (kind.is !== "phases") return whole(`${name}.get()`);
    const from = (at: number): Piece =>
      at === kind.names.length
        ? whole("0n")
        : this.#conditional(
            whole(`${name}.is(${JSON.stringify(kind.names[at])})`),
            () => whole(`${at}n`),
            () => from(at + 1),
          );
    return from(1);
  }

  #binary(expression: IntegerExpression & { readonly kind: "binary" }): Piece {
    const { operator } = expression;
    switch (operator) {
      case "and":
      case "or":
      case "xor":
        return part(
          `${operand(this.integer(expression.left))} ${plainOperators[operator]} ${operand(this.integer(expression.right))}`,
        );
      case "add":
      case "subtract":
      case "multiply":
        return whole(
          unsigned(
            `${operand(this.integer(expression.left))} ${wrappingOperators[operator]} ${operand(this.integer(expression.right))}`,
          ),
        );
      case "shift-left":
        return whole(unsigned(`${operand(this.integer(expression.left))} << ${this.#shift(expression.right)}`));
      case "shift-right-unsigned":
        return part(`${operand(this.integer(expression.left))} >> ${this.#shift(expression.right)}`);
      case "shift-right-signed":
        return whole(unsigned(`${signed(this.integer(expression.left).text)} >> ${this.#shift(expression.right)}`));
      default:
        return this.#division(expression);
    }
  }

  /** A shift amount that the compiler can prove to be 0 … 63. */
  #shift(by: IntegerExpression): string {
    if (by.kind === "constant") return `${by.value & 63n}n`;
    return `(${operand(this.integer(by))} & 63n)`;
  }

  /** The IR defines division by 0; the compiler wants a test for it first. */
  #division(expression: IntegerExpression & { readonly kind: "binary" }): Piece {
    const divides = expression.operator.startsWith("divide");
    const isSigned = expression.operator.endsWith("-signed");
    const sign = divides ? "/" : "%";
    const left = whole(this.#named(this.integer(expression.left).text));
    // −2^63 divided by −1 is 2^63, which no 64-bit type holds together with negative integers.
    const byMinusOne = () => whole(divides ? unsigned(`-${operand(left)}`) : "0n");
    const byZero = () => (divides ? whole("0n") : left);
    if (expression.right.kind === "constant") {
      const value = isSigned ? BigInt.asIntN(64, expression.right.value) : expression.right.value;
      if (value === 0n) return byZero();
      if (!isSigned) return part(`${operand(left)} ${sign} ${constantText(value)}`);
      if (value === -1n) return byMinusOne();
      return whole(
        unsigned(`${signed(left.text)} ${sign} ${value < 0n ? `(-${constantText(-value)})` : constantText(value)}`),
      );
    }
    const right = this.#narrowable(expression.right);
    if (!isSigned) {
      const divisor = this.#named(right.text);
      return this.#conditional(
        this.#site(expression, "divisor", `${divisor} !== 0n`),
        () => part(`${operand(left)} ${sign} ${divisor}`),
        byZero,
      );
    }
    const divisor = this.#named(signed(right.text));
    const quotient = () => whole(unsigned(`${signed(left.text)} ${sign} ${divisor}`));
    return this.#conditional(this.#site(expression, "positive", `${divisor} > 0n`), quotient, () =>
      this.#conditional(this.#site(expression, "negative", `${divisor} < -1n`), quotient, () =>
        this.#conditional(this.#site(expression, "minus one", `${divisor} === -1n`), byMinusOne, byZero),
      ),
    );
  }

  /**
   * Names a value that a test can narrow. The compiler tracks facts of arguments, state and variables with several
   * assignments, but not of `a ? b : c` under any name; so the value gets a variable with two assignments.
   */
  #narrowable(expression: IntegerExpression): Piece {
    const value = this.integer(expression);
    if (!/ \? |local|part/.test(value.text)) return value;
    const name = this.#freshName();
    const test = (["instructionPointer", "argument5", "argument4", "argument3"] as const)
      .map((input) => this.#site(expression, input, `${inputNames[input]} === 0n`))
      .find((site) => site !== yes && site !== no);
    if (test === undefined) return value;
    this.before.push(
      `let ${name} = ${value.text};`,
      `if (${test.text}) ${name} = ${unsigned(`-${unsigned(`-${operand(value)}`)}`)};`,
    );
    return whole(name);
  }

  #named(text: string): string {
    if (/^\w+$/.test(text)) return text;
    const name = this.#freshName();
    this.before.push(`const ${name} = ${text};`);
    return name;
  }

  #freshName(): string {
    return `part${this.fresh++}`;
  }

  // ── Booleans ──────────────────────────────────────────────────────────────────────────────────────────────────────

  boolean(expression: BooleanExpression): Piece {
    switch (expression.kind) {
      case "boolean":
        return expression.value ? yes : no;
      case "boolean-local":
        return whole(this.#names.local(expression.local));
      case "compare":
        return this.#compare(expression);
      case "within":
        return this.#within(expression, expression.value, expression.intervals);
      case "not":
        return negated(this.boolean(expression.value));
      case "all":
        return chain(
          "&&",
          expression.of.map((one) => this.boolean(one)),
        );
      case "any":
        return chain(
          "||",
          expression.of.map((one) => this.boolean(one)),
        );
      case "table-has":
        return whole(`${this.#names.table(expression.table)}.has(${this.integer(expression.key).text})`);
    }
  }

  #compare(expression: BooleanExpression & { readonly kind: "compare" }): Piece {
    const { operator, left, right } = expression;
    if (operator === "equal" || operator === "not-equal") {
      const short = this.#asksCell(left, right);
      if (short !== undefined) return operator === "equal" ? short : negated(short);
      if (isNumber(left) && right.kind === "constant") {
        const is = this.#within(expression, left, [{ from: right.value, to: right.value }]);
        return operator === "equal" ? is : negated(is);
      }
    }
    const read = (side: IntegerExpression): string => {
      const piece = this.integer(side);
      if (!operator.endsWith("-signed")) return operand(piece);
      return side.kind === "constant" ? signedConstant(side.value) : signed(piece.text);
    };
    const sign = {
      equal: "===",
      "not-equal": "!==",
      "less-unsigned": "<",
      "less-signed": "<",
      "less-or-equal-unsigned": "<=",
      "less-or-equal-signed": "<=",
    }[operator];
    const [a, b] = [read(left), read(right)];
    return this.#site(expression, "compare", `${a} ${sign} ${b}`);
  }

  /** `flag.get()`, `phase.is("serving")`. */
  #asksCell(cell: IntegerExpression, value: IntegerExpression): Piece | undefined {
    if (cell.kind !== "cell" || value.kind !== "constant" || !this.#names.keepsKind(cell.cell)) return undefined;
    const { kind } = this.#program.cells[cell.cell]!;
    const name = this.#names.cell(cell.cell);
    if (kind.is === "flag" && value.value < 2n) {
      return value.value === 1n ? whole(`${name}.get()`) : whole(`!${name}.get()`);
    }
    const phase = kind.is === "phases" ? kind.names[Number(value.value)] : undefined;
    return phase === undefined ? undefined : whole(`${name}.is(${JSON.stringify(phase)})`);
  }

  #within(owner: object, value: IntegerExpression, intervals: readonly Interval[]): Piece {
    if (intervals.length === 0) return no;
    const once = intervals.length === 1 && intervals[0]!.from === intervals[0]!.to;
    return this.isIn(owner, value, once ? operand(this.integer(value)) : this.subject(value), intervals);
  }

  /** Source for a value that can be used in several places. */
  subject(value: IntegerExpression): string {
    return isNumber(value) ? inputNames.number : this.#named(this.integer(value).text);
  }

  isIn(owner: object, value: IntegerExpression, subject: string, intervals: readonly Interval[]): Piece {
    if (isNumber(value)) {
      const calls = this.callsIn(intervals);
      if (calls.length <= mostNames) return this.#isOneOf(owner, calls);
    }
    return chain(
      "||",
      intervals.map(({ from, to }, at) => {
        if (from === to) return this.#site(owner, `${at}`, `${subject} === ${constantText(from)}`);
        const parts: Piece[] = [];
        if (from > 0n) parts.push(this.#site(owner, `${at} from`, `${subject} >= ${constantText(from)}`));
        if (to < maximumWord) parts.push(this.#site(owner, `${at} to`, `${subject} <= ${constantText(to)}`));
        return chain("&&", parts);
      }),
    );
  }

  #isOneOf(owner: object, calls: readonly string[]): Piece {
    if (calls.length === 0) return no;
    if (!calls.every((name) => this.canName(name))) {
      return chain(
        "||",
        calls.map((name) => this.#site(owner, name, `call.number === ${this.numberOf(name)}n`)),
      );
    }
    if (calls.length === 1) return this.#site(owner, calls[0]!, `call.name === ${JSON.stringify(calls[0])}`);
    return whole(`calls(${calls.map((name) => JSON.stringify(name)).join(", ")}).has(call)`);
  }

  /** The judged calls of these numbers. No other number reaches a policy. */
  callsIn(intervals: readonly Interval[]): string[] {
    return allCallNames().filter((name) => {
      const number = callByName(name)?.number[this.#program.architecture];
      if (number === undefined || alwaysAllowed.includes(name)) return false;
      return intervals.some(({ from, to }) => from <= number && number <= to);
    });
  }

  canName(name: string): boolean {
    return !uringCalls.includes(name) && (this.#namesProcessCreation || !isCreatingCall(name));
  }

  numberOf(name: string): number {
    return callByName(name)!.number[this.#program.architecture]!;
  }

  /** A comparison, or its outcome if the compiler has found it decided. */
  #site(owner: object, role: string, text: string): Piece {
    const place = this.#places.place(owner, role);
    const outcome = this.#places.outcome(place);
    return outcome === undefined ? part(this.#places.mark(place, text)) : outcome ? yes : no;
  }

  // ── Verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────────

  verdict(expression: VerdictExpression): Piece {
    switch (expression.kind) {
      case "verdict":
        return whole(this.#names.verdict(expression.verdict));
      case "verdict-local":
        return whole(this.#names.local(expression.local));
      case "strictest": {
        const of = expression.of.map((one) => this.verdict(one));
        return of.length === 1 ? of[0]! : whole(`strictest(${of.map(({ text }) => text).join(", ")})`);
      }
      case "verdict-select":
        return this.#conditional(
          this.boolean(expression.condition),
          () => this.verdict(expression.then),
          () => this.verdict(expression.otherwise),
        );
    }
  }

  #conditional(condition: Piece, then: () => Piece, otherwise: () => Piece): Piece {
    if (condition === yes) return then();
    if (condition === no) return otherwise();
    const asked = condition.text.includes(" ? ") ? operand(condition) : condition.text;
    return part(`${asked} ? ${operand(then())} : ${operand(otherwise())}`);
  }
}

function isNumber(expression: IntegerExpression): boolean {
  return expression.kind === "input" && expression.input === "number";
}

export function negated(piece: Piece): Piece {
  if (piece === yes) return no;
  if (piece === no) return yes;
  return whole(`!${operand(piece)}`);
}

function chain(sign: "&&" | "||", parts: readonly Piece[]): Piece {
  const [neutral, absorbing] = sign === "&&" ? [yes, no] : [no, yes];
  if (parts.includes(absorbing)) return absorbing;
  const remaining = parts.filter((piece) => piece !== neutral);
  if (remaining.length < 2) return remaining[0] ?? neutral;
  return part(remaining.map(operand).join(` ${sign} `));
}

const unsigned = (text: string): string => `BigInt.asUintN(64, ${text})`;
const signed = (text: string): string => `BigInt.asIntN(64, ${text})`;

function signedConstant(value: bigint): string {
  const read = BigInt.asIntN(64, value);
  return read < 0n ? `-${constantText(-read)}` : constantText(read);
}

/** Large constants in hexadecimal. */
export function constantText(value: bigint): string {
  if (value < 65_536n) return `${value}n`;
  const digits = value.toString(16);
  return `0x${digits.replace(/(?<=.)(?=(?:.{4})+$)/g, "_")}n`;
}

/** The amount for a counter: 0 … 2^63 − 1, as all values that a program stores in one. */
export function counterText(expression: IntegerExpression, writer: ExpressionWriter): string {
  const piece = writer.integer(expression);
  return expression.kind === "constant" ? piece.text : `${operand(piece)} & ${constantText(maximumSigned)}`;
}
