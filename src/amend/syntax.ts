/** Finds the places of a policy's text where a rule can precede a refusal, or a list of objects can have one entry more. */
import { parseSync } from "oxc-parser";

/** A node of the syntax tree, with its parent. Places are offsets in UTF-16 units. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly parent: Node | undefined;
  readonly own: Readonly<Record<string, unknown>>;
}

export interface Syntax {
  readonly text: string;
  readonly nodes: readonly Node[];
}

/** Where a rule that allows more calls can be. */
export interface Site {
  /**
   * | form | edit |
   * | --- | --- |
   * | statement | `if (…) return allow;` before the statement that returns the refusal |
   * | block | the same, in a block with that statement |
   * | expression | the refusal becomes `(… ? allow : refusal)` |
   */
  readonly form: "statement" | "block" | "expression";
  /** The start of the statement, or of the expression. */
  readonly start: number;
  readonly end: number;
  /** The blanks at the start of its line; of a block, of the line of its `if`. */
  readonly indent: string;
  /** The name of the call there. */
  readonly call: string;
}

/** The text must compile as a policy. */
export function parse(text: string): Syntax {
  const nodes: Node[] = [];
  const visit = (value: unknown, parent: Node | undefined): void => {
    if (Array.isArray(value)) {
      for (const one of value) visit(one, parent);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    const own = value as Readonly<Record<string, unknown>>;
    const { type, start, end } = own;
    if (typeof type !== "string" || typeof start !== "number" || typeof end !== "number") return;
    const node: Node = { type, start, end, parent, own };
    nodes.push(node);
    for (const [key, child] of Object.entries(own)) if (key !== "type") visit(child, node);
  };
  visit(parseSync("policy.ts", text, { lang: "ts", sourceType: "module" }).program, undefined);
  return { text, nodes };
}

/** The offset of a line and a column, both from 1. */
export function offsetOf(text: string, { line, column }: { readonly line: number; readonly column: number }): number {
  let start = 0;
  for (let at = 1; at < line; at++) start = text.indexOf("\n", start) + 1;
  return start + column - 1;
}

/** Undefined if the place of the verdict is no expression in a function that has the call. */
export function siteOf(syntax: Syntax, offset: number): Site | undefined {
  const verdict = verdictAt(syntax, offset);
  return verdict === undefined ? undefined : siteAt(syntax, verdict);
}

function verdictAt(syntax: Syntax, offset: number): Node | undefined {
  const [verdict] = syntax.nodes
    .filter(({ type, start }) => start === offset && (type === "CallExpression" || type === "Identifier"))
    // `refused`, or `deny` of `deny("EPERM")`, which is the verdict as a whole.
    .sort((a, b) => a.end - b.end)
    .filter((node) => node.parent?.own["callee"] !== node.own);
  return verdict;
}

const functions: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

/**
 * Where a further name can stand in the list of calls that decided directly before the refusal at this offset:
 * `calls("a", "b").has(call) ? allow : refusal`, or `if (calls("a", "b").has(call)) …` before the statement. The list can be a
 * constant of the module. Undefined if there is none.
 */
export function callListAt(syntax: Syntax, offset: number): number | undefined {
  const verdict = verdictAt(syntax, offset);
  let whole = verdict;
  while (whole?.parent?.type === "ParenthesizedExpression") whole = whole.parent;
  const around = whole?.parent;
  if (around === undefined) return undefined;
  if (around.type === "ConditionalExpression") {
    return around.own["alternate"] === whole!.own ? endOfNames(syntax, around.own["test"]) : undefined;
  }
  if (around.type !== "ReturnStatement") return undefined;
  const siblings = member(around.parent?.own, "body");
  if (!Array.isArray(siblings)) return undefined;
  const before: unknown = siblings[siblings.indexOf(around.own) - 1];
  if (member(before, "type") !== "IfStatement" || member(before, "alternate") !== null) return undefined;
  return endOfNames(syntax, member(before, "test"));
}

/** The end of the last name of `calls("…")` in `calls("…").has(call)`. */
function endOfNames(syntax: Syntax, test: unknown): number | undefined {
  const callee = member(test, "callee");
  if (member(test, "type") !== "CallExpression" || nameOf(member(callee, "property")) !== "has") return undefined;
  const object = member(callee, "object");
  const name = nameOf(object);
  const list = name === undefined ? object : constantOf(syntax, name);
  const local = imported(syntax, "calls");
  if (local === undefined || local.add !== undefined || nameOf(member(list, "callee")) !== local.local)
    return undefined;
  const words = member(list, "arguments");
  const last: unknown = Array.isArray(words) ? words.at(-1) : undefined;
  const end = member(last, "end");
  return typeof member(last, "value") === "string" && typeof end === "number" ? end : undefined;
}

function constantOf({ nodes }: Syntax, name: string): unknown {
  const found = nodes.find(
    ({ type, own, parent }) =>
      type === "VariableDeclarator" && nameOf(own["id"]) === name && parent?.own["kind"] === "const",
  );
  return found?.own["init"];
}

function isFunction({ type }: Node): boolean {
  return functions.has(type);
}

function siteAt({ text }: Syntax, use: Node): Site | undefined {
  const call = callAt(use);
  if (call === undefined) return undefined;
  let whole = use;
  while (whole.parent?.type === "ParenthesizedExpression") whole = whole.parent;
  const { parent } = whole;
  const { start, end } = use;
  const expression: Site = { form: "expression", start, end, indent: indentAt(text, start), call };
  if (parent?.type !== "ReturnStatement") return expression;
  const place = { start: parent.start, end: parent.end, call };
  const around = parent.parent!;
  if (around.type === "BlockStatement" || around.type === "FunctionBody" || around.type === "SwitchCase")
    return { form: "statement", ...place, indent: indentAt(text, parent.start) };
  // A comment between the condition and the statement would come before the bracket.
  const isPlain = around.type === "IfStatement" && /(?:\)|\belse)\s*$/.test(text.slice(around.start, parent.start));
  return isPlain ? { form: "block", ...place, indent: indentAt(text, around.start) } : expression;
}

function indentAt(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start, offset))![0];
}

/** The parameter with the call of the step, or of a function that a step passes its call to. */
function callAt(node: Node): string | undefined {
  for (let at = node.parent; at !== undefined; at = at.parent) {
    if (!isFunction(at)) continue;
    const parameters = at.own["params"];
    if (!Array.isArray(parameters)) continue;
    for (const [index, parameter] of (parameters as readonly unknown[]).entries()) {
      const name = nameOf(parameter);
      if (name !== undefined && ((index === 0 && isStep(at)) || isCallType(parameter))) return name;
    }
  }
  return undefined;
}

function isStep({ parent, own }: Node): boolean {
  if (parent?.type !== "CallExpression" || nameOf(parent.own["callee"]) !== "policy") return false;
  return Array.isArray(parent.own["arguments"]) && parent.own["arguments"].at(-1) === own;
}

const callTypes: ReadonlySet<string> = new Set(["Call", "CallOf", "SystemCall"]);

function isCallType(parameter: unknown): boolean {
  const annotation = member(member(parameter, "typeAnnotation"), "typeAnnotation");
  return callTypes.has(nameOf(member(annotation, "typeName")) ?? "");
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The name of an identifier; undefined for other nodes. */
function nameOf(value: unknown): string | undefined {
  const name = member(value, "type") === "Identifier" ? member(value, "name") : undefined;
  return typeof name === "string" ? name : undefined;
}

// ── Imports ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Imported {
  /** The name in this module. */
  readonly local: string;
  /** An import that the module lacks is added there. */
  readonly add?: { readonly at: number; readonly text: string };
}

/** Undefined if the module has no list of imports from portcullis. */
export function imported({ nodes }: Syntax, name: string): Imported | undefined {
  const declarations = nodes.filter(
    ({ type, own }) =>
      type === "ImportDeclaration" && member(own["source"], "value") === "portcullis" && own["importKind"] !== "type",
  );
  const specifiers = nodes.filter(({ type, parent }) => type === "ImportSpecifier" && declarations.includes(parent!));
  for (const { own } of specifiers) {
    if (nameOf(own["imported"]) === name && own["importKind"] !== "type") return { local: nameOf(own["local"])! };
  }
  const [first] = specifiers;
  return first === undefined ? undefined : { local: name, add: { at: first.start, text: `${name}, ` } };
}

// ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────

export interface ListPlace {
  /** Behind the last element, or behind the bracket of an empty list. */
  readonly at: number;
  readonly isEmpty: boolean;
  /** The blanks before each element, if each has a line. */
  readonly indent: string | undefined;
}

/** The list whose property (`read: […]`) begins at this offset; undefined if it is no literal of this module. */
export function listAt(syntax: Syntax, offset: number): ListPlace | undefined {
  const property = syntax.nodes.find(({ type, start }) => type === "Property" && start === offset);
  const direct = syntax.nodes.find(({ type, start }) => type === "ArrayExpression" && start === offset);
  const value = property?.own["value"] ?? direct?.own;
  const name = nameOf(value);
  const constant = name === undefined ? value : unwrapped(constantOf(syntax, name));
  const wanted = parameterOf(syntax, constant)?.list ?? constant;
  const list = syntax.nodes.find(({ type, own }) => type === "ArrayExpression" && own === wanted);
  return list === undefined ? undefined : placeOf(syntax, list);
}

function placeOf(syntax: Syntax, list: Node): ListPlace {
  const elements = list.own["elements"] as readonly { readonly start: number; readonly end: number }[];
  const last = elements.at(-1);
  if (last === undefined) return { at: list.start + 1, isEmpty: true, indent: undefined };
  const { text } = syntax;
  const line = text.slice(text.lastIndexOf("\n", last.start - 1) + 1, last.start);
  return { at: last.end, isEmpty: false, indent: /^[ \t]*$/.test(line) ? line : undefined };
}

/** A list of constants: the default of a parameter, or a constant of the module. */
export interface LiteralList {
  readonly of: "parameter" | "constant";
  /** For `--set`; of a constant its name in the module. */
  readonly name: string;
  readonly place: ListPlace;
  readonly items: readonly (string | bigint)[];
}

/** The lists whose items are written there, those of parameters first. */
export function literalLists(syntax: Syntax): readonly LiteralList[] {
  const found = syntax.nodes.flatMap((node): LiteralList[] => {
    if (node.type !== "VariableDeclarator" && node.type !== "CallExpression") return [];
    const declared = node.type === "CallExpression" ? parameterOf(syntax, node.own) : constantList(node);
    const list = syntax.nodes.find(({ type, own }) => type === "ArrayExpression" && own === declared?.list);
    const items = (member(list?.own, "elements") as readonly unknown[] | undefined)?.map(literalOf);
    if (declared === undefined || list === undefined || items === undefined || items.includes(undefined)) return [];
    const of = node.type === "CallExpression" ? "parameter" : "constant";
    return [{ of, name: declared.name, place: placeOf(syntax, list), items: items as readonly (string | bigint)[] }];
  });
  return [...found.filter((one) => one.of === "parameter"), ...found.filter((one) => one.of === "constant")];
}

interface DeclaredList {
  readonly name: string;
  /** An expression. */
  readonly list: unknown;
}

function constantList({ own, parent }: Node): DeclaredList | undefined {
  const name = nameOf(own["id"]);
  return name === undefined || parent?.own["kind"] !== "const" ? undefined : { name, list: unwrapped(own["init"]) };
}

/** `parameter.paths("name", { default: […] })`, or `texts`. */
function parameterOf(syntax: Syntax, call: unknown): DeclaredList | undefined {
  const callee = member(call, "callee");
  const local = imported(syntax, "parameter");
  if (member(call, "type") !== "CallExpression" || local === undefined || local.add !== undefined) return undefined;
  if (nameOf(member(callee, "object")) !== local.local) return undefined;
  if (!["paths", "texts"].includes(nameOf(member(callee, "property")) ?? "")) return undefined;
  const [first, settings] = (member(call, "arguments") as readonly unknown[] | undefined) ?? [];
  const name = member(first, "value");
  const properties = member(settings, "properties");
  if (typeof name !== "string" || !Array.isArray(properties)) return undefined;
  const setting: unknown = properties.find((one) => nameOf(member(one, "key")) === "default");
  return setting === undefined ? undefined : { name, list: unwrapped(member(setting, "value")) };
}

/** Without `as const` and `satisfies`. */
function unwrapped(expression: unknown): unknown {
  const type = member(expression, "type");
  return type === "TSAsExpression" || type === "TSSatisfiesExpression"
    ? unwrapped(member(expression, "expression"))
    : expression;
}

function literalOf(node: unknown): string | bigint | undefined {
  if (member(node, "type") !== "Literal") return undefined;
  const [value, digits] = [member(node, "value"), member(node, "bigint")];
  if (typeof digits === "string") return BigInt(digits);
  return typeof value === "string" ? value : undefined;
}
