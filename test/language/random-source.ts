/**
 * Random policies as source text: closures that change variables, shadowed names, labelled loops, switches, effects in
 * `&&`, `||` and `? :`, and early returns. Few names are used, so that inner scopes often hide outer ones; a policy that
 * uses one before its declaration is refused by the compiler and JavaScript alike.
 */
import { type Choices, chance, pick, weighted } from "../../src/ir/testing/choices.ts";

/** The names that are visible at a point, and the jumps that are possible there. */
interface Scope {
  /** Variables that can be assigned, and constants. */
  readonly lets: readonly string[];
  readonly integers: readonly string[];
  readonly booleans: readonly string[];
  /** Functions of one integer. */
  readonly functions: readonly string[];
  readonly labels: readonly string[];
  readonly inLoop: boolean;
  readonly returns: "verdict" | "integer";
}

const integerNames = ["a", "b", "n", "k"];
const booleanNames = ["p", "q"];
const functionNames = ["f", "g", "h"];
const literals = ["0n", "1n", "2n", "3n", "7n", "-1n", "-5n", "0x7fffn"];

export function randomSource(choices: Choices): string {
  const writer = new Writer(choices);
  return writer.module();
}

class Writer {
  readonly #choices: Choices;
  #statements = 28;
  #labels = 0;
  #reports = 0;

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  module(): string {
    const start: Scope = {
      lets: [],
      integers: ["a", "k"],
      booleans: ["q"],
      functions: ["h"],
      labels: [],
      inLoop: false,
      returns: "verdict",
    };
    const body = this.#block(start, 4, true);
    return `import { allow, deny, log, perProcess, perThread, policy, report, trap } from "portcullis";
const a = 3n;
const k = -2n;
const q = true;
const c = perProcess.counter();
const s = perThread.flag();
function h(n: bigint): bigint { return n > a ? 1n : BigInt.asIntN(32, n + a); }
export default policy((call) => {
${body}
});
`;
  }

  // ── Expressions ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** An integer of at most 32 bits, so that no sum is refused. */
  #integer(scope: Scope, depth: number): string {
    const name = () => (scope.integers.length > 0 ? this.#pick(scope.integers) : this.#pick(literals));
    const deeper = () => this.#integer(scope, depth - 1);
    if (depth <= 0) return this.#weighted([2, name], [1, () => this.#pick(literals)], [1, () => this.#register()]);
    return this.#weighted(
      [4, name],
      [2, () => this.#register()],
      [3, () => `BigInt.asIntN(32, ${deeper()} ${this.#pick(["+", "-", "*", "&", "|", "^"])} ${deeper()})`],
      [2, () => `(${this.#condition(scope, depth - 1)} ? ${deeper()} : ${deeper()})`],
      [2, () => (scope.lets.length > 0 ? `(${this.#pick(scope.lets)} = ${deeper()})` : name())],
      [1, () => "(c.add() & 7n)"],
      [2, () => (scope.functions.length > 0 ? `${this.#pick(scope.functions)}(${deeper()})` : name())],
      [1, () => `(${deeper()} >> ${this.#pick(["1n", "4n"])})`],
    );
  }

  #register(): string {
    return `BigInt.asIntN(${this.#pick(["8", "32"])}, call.raw.arg${this.#choices.below(3)})`;
  }

  #condition(scope: Scope, depth: number): string {
    const deeper = () => this.#condition(scope, depth - 1);
    const integer = () => this.#integer(scope, depth - 1);
    const compared = () => `${integer()} ${this.#pick(["<", "<=", ">", ">=", "===", "!=="])} ${integer()}`;
    if (depth <= 0) return `(${this.#weighted([3, compared], [1, () => "s.get()"])})`;
    return this.#weighted(
      [3, () => `(${compared()})`],
      [3, () => `(${deeper()} ${this.#pick(["&&", "||"])} ${deeper()})`],
      [1, () => `!${deeper()}`],
      [2, () => (scope.booleans.length > 0 ? this.#pick(scope.booleans) : `(${compared()})`)],
      [1, () => `(${deeper()} ? ${deeper()} : ${deeper()})`],
      [1, () => `[${integer()}, ${this.#pick(literals)}].includes(${integer()})`],
      [1, () => `[${integer()}, 2n].${this.#pick(["some", "every"])}((n) => ${this.#inside(scope, "n", depth)})`],
    );
  }

  /** A condition in a function of one integer. */
  #inside(scope: Scope, parameter: string, depth: number): string {
    return this.#condition({ ...hiding(scope, parameter), integers: [...scope.integers, parameter] }, depth - 1);
  }

  #result(scope: Scope): string {
    if (scope.returns === "integer") return this.#integer(scope, 2);
    const verdict = () => this.#pick(["allow", "log", 'deny("EIO")', 'deny("EPERM")', "trap()"]);
    return this.#weighted([2, verdict], [1, () => `${this.#condition(scope, 2)} ? ${verdict()} : ${verdict()}`]);
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The statements of a block. `ends`: the last one returns. `own`: the names that the block has declared. */
  #block(outer: Scope, depth: number, ends: boolean, own = new Set<string>()): string {
    let scope = outer;
    const lines: string[] = [];
    for (let count = 1 + this.#choices.below(4); count > 0 && this.#statements > 0; count--) {
      this.#statements--;
      const [line, after] = this.#statement(scope, depth, own);
      lines.push(line);
      scope = after;
    }
    if (ends) lines.push(`return ${this.#result(scope)};`);
    else if (this.#chance(6)) lines.push(`return ${this.#result(scope)};`);
    else if (scope.inLoop && this.#chance(4)) lines.push(`${this.#pick(["break", "continue"])}${this.#label(scope)};`);
    return lines.join("\n");
  }

  #label(scope: Scope): string {
    return scope.labels.length > 0 && this.#chance(2) ? ` ${this.#pick(scope.labels)}` : "";
  }

  /** A statement, and the scope after it. `own`: the names that its block has declared. */
  #statement(scope: Scope, depth: number, own: Set<string>): readonly [string, Scope] {
    const kept = (line: string) => [line, scope] as const;
    const simple: [number, () => readonly [string, Scope]][] = [
      [4, () => this.#declaration(scope, own)],
      [4, () => kept(this.#assignment(scope))],
      [
        1,
        () =>
          kept(`report("r${this.#reports++}", { a: ${this.#integer(scope, 1)}, b: ${this.#condition(scope, 1)} });`),
      ],
      [1, () => kept(this.#pick(["c.add();", "s.set(true);", "s.set(!s.get());"]))],
      [1, () => kept(`if (${this.#condition(scope, 2)}) return ${this.#result(scope)};`)],
    ];
    if (depth <= 0) return weighted(this.#choices, simple);
    const nested = (inner: Scope = scope) => this.#block(inner, depth - 1, false);
    return weighted(this.#choices, [
      ...simple,
      [3, () => kept(`if (${this.#condition(scope, 2)}) {\n${nested()}\n} else {\n${nested()}\n}`)],
      [1, () => kept(`{\n${nested()}\n}`)],
      [2, () => kept(this.#loop(scope, nested))],
      [2, () => kept(this.#switch(scope, depth))],
      [3, () => this.#function(scope, depth, own)],
    ]);
  }

  #declaration(scope: Scope, own: Set<string>): readonly [string, Scope] {
    if (this.#chance(4)) {
      const name = this.#fresh(booleanNames, own);
      if (name === undefined) return ["c.add();", scope];
      return [
        `const ${name} = ${this.#condition(scope, 2)};`,
        { ...scope, booleans: [...hiding(scope, name).booleans, name] },
      ];
    }
    const name = this.#fresh(integerNames, own);
    if (name === undefined) return ["c.add();", scope];
    const value = this.#integer(scope, 2);
    const hidden = hiding(scope, name);
    const integers = [...hidden.integers, name];
    if (this.#chance(2)) return [`let ${name} = ${value};`, { ...hidden, integers, lets: [...hidden.lets, name] }];
    const pattern = this.#pick([`${name} = ${value}`, `[${name}] = [${value}]`, `{ ${name} } = { ${name}: ${value} }`]);
    return [`const ${pattern};`, { ...hidden, integers }];
  }

  #assignment(scope: Scope): string {
    if (scope.lets.length === 0) return "c.add();";
    return `${this.#pick(scope.lets)} = ${this.#integer(scope, 3)};`;
  }

  #loop(scope: Scope, nested: (inner: Scope) => string): string {
    const label = this.#chance(2) ? `L${this.#labels++}` : undefined;
    const name = this.#pick(integerNames);
    const hidden = hiding(scope, name);
    const labels = label === undefined ? scope.labels : [...scope.labels, label];
    const inner = { ...hidden, integers: [...hidden.integers, name], labels, inLoop: true };
    const head = this.#chance(2)
      ? `for (let ${name} = 0n; ${name} < ${this.#pick(["2n", "3n"])}; ${name}++)`
      : `for (const ${name} of [${this.#integer(hidden, 1)}, ${this.#pick(literals)}])`;
    return `${label === undefined ? "" : `${label}: `}${head} {\n${nested(inner)}\n}`;
  }

  #switch(scope: Scope, depth: number): string {
    const subject = `${this.#integer(scope, 1)} & 3n`;
    const heads = ["case 0n:", "case 1n: case 3n:", ...(this.#chance(2) ? ["default:"] : [])];
    const isOneBlock = this.#chance(2);
    const shared = new Set<string>();
    const cases = heads.map((head) => {
      const body = this.#block({ ...scope, inLoop: false }, depth - 1, false, isOneBlock ? shared : new Set());
      const last = body.slice(body.lastIndexOf("\n") + 1);
      const whole = `${body}${last.startsWith("return ") ? "" : "\nbreak;"}`;
      return isOneBlock ? `${head}\n${whole}` : `${head} {\n${whole}\n}`;
    });
    return `switch (${subject}) {\n${cases.join("\n")}\n}`;
  }

  /** A function that can change the variables around it. */
  #function(scope: Scope, depth: number, own: Set<string>): readonly [string, Scope] {
    const name = this.#fresh(functionNames, own);
    if (name === undefined) return ["c.add();", scope];
    const parameter = this.#pick(integerNames);
    const visible = hiding(hiding(scope, parameter), name);
    const inner: Scope = {
      ...visible,
      integers: [...visible.integers, parameter],
      labels: [],
      inLoop: false,
      returns: "integer",
    };
    const block = this.#block(inner, Math.min(depth - 1, 2), true);
    const written = this.#pick([
      `function ${name}(${parameter}: bigint): bigint {\n${block}\n}`,
      `const ${name} = (${parameter}: bigint): bigint => {\n${block}\n};`,
      `const ${name} = function ${this.#pick(functionNames)}(${parameter}: bigint): bigint {\n${block}\n};`,
    ]);
    const hidden = hiding(scope, name);
    return [written, { ...hidden, functions: [...hidden.functions, name] }];
  }

  // ── Choices ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A name that the block has not declared, if there is one. */
  #fresh(names: readonly string[], own: Set<string>): string | undefined {
    const left = names.filter((name) => !own.has(name));
    if (left.length === 0) return undefined;
    const name = this.#pick(left);
    own.add(name);
    return name;
  }

  #pick<T>(list: readonly T[]): T {
    return pick(this.#choices, list);
  }

  #chance(outOf: number): boolean {
    return chance(this.#choices, outOf);
  }

  #weighted(...alternatives: [number, () => string][]): string {
    return weighted(this.#choices, alternatives);
  }
}

/** The scope without a name, which a declaration hides. */
function hiding(scope: Scope, name: string): Scope {
  const without = (list: readonly string[]) => list.filter((one) => one !== name);
  return {
    ...scope,
    lets: without(scope.lets),
    integers: without(scope.integers),
    booleans: without(scope.booleans),
    functions: without(scope.functions),
  };
}
