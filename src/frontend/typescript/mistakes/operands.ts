/**
 * Remedies for arguments with named values, state and functions where an operator or a condition needs a plain value.
 */
import type { BinaryExpression, Expression as Node } from "oxc-parser";
import { nameSet } from "../../../abi/flags.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import type { ObjectValue, Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodForConstant } from "./constants.ts";

/** The right side of an operator as written: names of flags or values, or an integer. */
interface Written {
  readonly names: readonly string[];
  readonly integer?: bigint;
}

/**
 * Reports `flags & O_CREAT`, `family === AF_INET` or `path === "/etc"`. It looks at the source of the right side:
 * evaluated, a constant of C is an unknown name, and that error would hide the mistake. False if it reports nothing.
 */
export function explainNamedOperand(c: Compilation, left: Value, node: BinaryExpression): boolean {
  if (left.is !== "object") return false;
  const { operator } = node;
  const isComparison = operator === "===" || operator === "!==";
  if (!isComparison && operator !== "&") return false;
  const written = writtenNames(c, node.right);
  if (written === undefined) return false;
  const source = c.file.text.slice(node.left.start, node.left.end);
  const not = operator === "!==" ? "!" : "";
  if (left.type.startsWith("Flags<")) {
    const names = written.integer === undefined ? written.names : flagsOf(c, left, written.integer);
    if (names.length === 0) return false;
    const method = isComparison ? "hasOnly" : names.length > 1 ? "hasAny" : "has";
    const alone = isComparison ? ` (alone); \`${not}${call(source, "has", names)}\` tests it among others` : "";
    c.error(
      isComparison ? "P0208" : "P0207",
      node,
      `flags are tested by name, not with \`${operator}\``,
      `write \`${not}${call(source, method, names)}\`${alone}`,
    );
    return true;
  }
  if (left.type.startsWith("Choice<")) {
    const names = written.integer === undefined ? written.names : choicesOf(c, left, written.integer);
    if (names.length === 0) return false;
    c.error(
      isComparison ? "P0208" : "P0207",
      node,
      `values with names are tested by \`.is\`, not with \`${operator}\``,
      `write \`${not}${call(source, "is", names)}\``,
    );
    return true;
  }
  if (
    (left.type === "Path" || left.type === "PathText" || left.type === "Text") &&
    isComparison &&
    written.names.length > 0
  ) {
    const text = left.type === "Path" ? `${source}.text` : source;
    const object =
      left.type === "Path" ? `; \`${not}${call(`${source}.resolved`, "is", written.names)}\` tests the object` : "";
    c.error(
      "P0208",
      node,
      `${left.type === "Path" ? "a path" : "a text behind a pointer"} has no comparison of its own`,
      `write \`${not}${call(text, "is", written.names)}\`${object}`,
    );
    return true;
  }
  if (left.type === "Pointer" && written.names.length > 0) {
    c.error(
      "P0601",
      node,
      `the memory behind ${left.described ?? "a pointer"} cannot be read: another thread could change it after the decision`,
      "decide by state, or by arguments that are not pointers",
    );
    return true;
  }
  return false;
}

function call(source: string, method: string, names: readonly string[]): string {
  return `${source}.${method}(${names.map((name) => JSON.stringify(name)).join(", ")})`;
}

function writtenNames(c: Compilation, node: Node): Written | undefined {
  switch (node.type) {
    case "ParenthesizedExpression":
      return writtenNames(c, node.expression);
    case "Identifier":
      return c.scope.find(node.name) === undefined && methodForConstant(node.name) !== undefined
        ? { names: [node.name] }
        : undefined;
    case "Literal":
      if (typeof node.value === "string") return { names: [node.value] };
      if (typeof node.value === "bigint") return { names: [], integer: node.value };
      return typeof node.value === "number" && Number.isSafeInteger(node.value)
        ? { names: [], integer: BigInt(node.value) }
        : undefined;
    case "BinaryExpression": {
      if (node.operator !== "|" && node.operator !== "+") return undefined;
      const left = writtenNames(c, node.left as Node);
      const right = writtenNames(c, node.right);
      if (left === undefined || right === undefined) return undefined;
      if (left.integer !== undefined && right.integer !== undefined) {
        return { names: [], integer: left.integer | right.integer };
      }
      return left.integer !== undefined || right.integer !== undefined
        ? undefined
        : { names: [...left.names, ...right.names] };
    }
    default:
      return undefined;
  }
}

function membersOf(c: Compilation, { type }: ObjectValue) {
  const set = nameSet(type.slice(type.indexOf("<") + 1, -1));
  const { architecture } = c.names;
  return (set?.members ?? []).map((one) => ({
    name: one.name,
    value: one.value[architecture],
    mask: one.mask[architecture],
  }));
}

/** The names of an integer's bits; empty if a bit has no name. */
function flagsOf(c: Compilation, flags: ObjectValue, bits: bigint): string[] {
  const single = membersOf(c, flags).filter(
    ({ value }) => value !== undefined && value > 0n && (value & (value - 1n)) === 0n,
  );
  const found = single.filter(({ value, mask }) => (bits & value!) !== 0n && mask === value);
  return found.reduce((union, { value }) => union | value!, 0n) === bits ? found.map(({ name }) => name) : [];
}

function choicesOf(c: Compilation, choice: ObjectValue, integer: bigint): string[] {
  return membersOf(c, choice)
    .filter(({ value }) => value === integer)
    .slice(0, 1)
    .map(({ name }) => name);
}

/**
 * How to read a plain value from this one: `f.get()` of a flag, `tree.alive()` of a function. Undefined for plain
 * values and for values without such a reading.
 */
export function readingOf(c: Compilation, value: Value, node: SourceRange): string | undefined {
  const text = c.file.text.slice(node.start, node.end);
  const source = text.length <= 40 ? text : "x";
  switch (value.is) {
    case "builtin":
    case "function":
      return `${source}(…)`.replace("alive(…)", "alive()").replace("get(…)", "get()").replace("take(…)", "take()");
    case "call-set":
      return `${source}.has(call)`;
    case "call":
      return `${source}.name`;
    case "object":
      switch (value.type) {
        case "Flag":
        case "Counter":
        case "Value":
          return `${source}.get()`;
        case "Phases":
          return `${source}.is("…")`;
        case "Rate":
          return `${source}.take()`;
        case "tree":
          return `${source}.alive()`;
        case "Table":
        case "KeySet":
          return `${source}.has(…)`;
        default:
          return undefined;
      }
    default:
      return undefined;
  }
}

/** The likely comparison where a function or state is compared: `tree.alive() > 5n`, `phase.is("serving")`. */
export function comparisonOf(
  c: Compilation,
  operator: string,
  values: readonly [Value, Value],
  nodes: readonly [SourceRange, SourceRange],
): string | undefined {
  const at = values.findIndex((value, index) => readingOf(c, value, nodes[index]!) !== undefined);
  if (at < 0) return undefined;
  const reading = readingOf(c, values[at]!, nodes[at]!)!;
  const other = c.file.text.slice(nodes[1 - at]!.start, nodes[1 - at]!.end).slice(0, 40);
  const not = operator === "!==" ? "!" : "";
  if (reading.includes('"…"')) return not + reading.replace('"…"', other);
  if (reading.includes("…") || reading.endsWith(".has(call)")) return reading;
  return at === 0 ? `${reading} ${operator} ${other}` : `${other} ${operator} ${reading}`;
}

/**
 * How to change state that the policy assigns to: `f = true`, `n += 2n`, `n++`. Undefined for a value that is not
 * state.
 */
export function assigningTo(
  value: Value | undefined,
  name: string,
  operator: string,
  right?: string,
): string | undefined {
  if (value?.is !== "object") return undefined;
  const given = right === undefined || right.length > 40 ? "…" : right;
  switch (value.type) {
    case "Flag":
    case "Value":
      return `${name}.set(${given})`;
    case "Phases":
      return `${name}.enter(${given})`;
    case "Counter":
      if (operator === "++") return `${name}.add()`;
      if (operator === "--") return `${name}.subtract()`;
      if (operator === "+=") return `${name}.add(${given})`;
      if (operator === "-=") return `${name}.subtract(${given})`;
      return `${name}.add(); only perProcess.value() can be set`;
    default:
      return undefined;
  }
}
