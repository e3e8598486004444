/** Statements: declarations, `if`, `return`, blocks. Loops and `switch` have their own files. */

import type {
  BlockStatement,
  Directive,
  Expression,
  IfStatement,
  ReturnStatement,
  Statement,
  VariableDeclaration,
} from "oxc-parser";
import { errnoName } from "../../../abi/errno.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { LexicalScope } from "../values/scope.ts";
import { nothing, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { ReturnTarget } from "../walk/flow.ts";
import { announce } from "./announcements.ts";
import { bind } from "./bindings.ts";
import { bothBranches, condition, decidedBranch } from "./conditions.ts";
import { jump, labelled, loop } from "./loops.ts";
import { isLeftOpen, refuseOpen, stable } from "./stable.ts";
import { switchStatement } from "./switches.ts";

export interface BodyOptions {
  readonly check: (value: Value, node: SourceRange) => Value;
  readonly tail: ReturnTarget | undefined;
  /** The declared result type, as in the source. */
  readonly expects: string | undefined;
  readonly name: string;
}

/** Walks a function's body and returns its value; with `tail`, the value goes there. */
export function body(c: Compilation, block: BlockStatement, options: BodyOptions): Value {
  const { tail } = options;
  if (tail !== undefined) {
    const check = (value: Value, node: SourceRange) => tail.check(options.check(value, node), node);
    c.returns = { ...tail, check };
    statements(c, block.body);
    if (c.flow.live !== "ended") fellThrough(c, block, options);
    c.flow = { ...c.flow, live: "ended" };
    return nothing;
  }
  const target: ReturnTarget = {
    kind: "block",
    splits: false,
    label: c.builder.label(),
    ends: [],
    check: options.check,
  };
  c.returns = target;
  let result: Value = nothing;
  c.block(
    target.label,
    () => {
      statements(c, block.body);
      const falls = c.flow.live !== "ended";
      const givesNothing = target.ends.every((end) => end.value.is === "void");
      if (falls && (!givesNothing || (options.expects !== undefined && options.expects !== "void"))) {
        fellThrough(c, block, options);
      }
      result = resultOf(c, target, givesNothing && falls);
    },
    () => target.ends,
  );
  return result;
}

function resultOf(c: Compilation, target: ReturnTarget, givesNothing: boolean): Value {
  if (givesNothing || target.ends.length === 0) return nothing;
  const living = target.ends.filter((end) => end.flow.live === "live");
  if (living.length === 0) return target.ends[0]!.value;
  const unlike = living.find((end) => end.value.is !== living[0]!.value.is && end.value.is !== "unknown");
  if (unlike !== undefined && living[0]!.value.is !== "unknown") {
    return c.error(
      "P0207",
      unlike.node,
      "this function returns values of different types",
      "return one type on every path",
    );
  }
  return c.mergeValues(
    living,
    living.map((end) => end.value),
    { file: c.file, node: living[0]!.node },
  );
}

function fellThrough(c: Compilation, block: BlockStatement, { expects, name }: BodyOptions): void {
  if (c.flow.uncertain) return;
  const end = { start: block.end - 1, end: block.end };
  if (expects !== undefined && expects !== "Verdict") {
    c.error("P0305", end, `this path returns nothing, and ${name} returns ${expects}`, "return a value on every path");
    return;
  }
  const others = c.names.judgeable & ~c.eventNames;
  const few = c.names.list(others, 4);
  const which =
    few.length === 0 || few.length > 3
      ? "some calls end here"
      : `any call but ${few.length === 1 ? few[0] : `${few.slice(0, -1).join(", ")} and ${few.at(-1)}`} ends here`;
  c.error(
    "P0305",
    end,
    `this path returns no verdict: ${which}`,
    'return a verdict for every other call: `return allow;` or `return deny("EPERM");`',
  );
}

/** Walks a list of statements in the current scope. */
function statements(c: Compilation, list: readonly (Statement | Directive)[]): void {
  announce(c, list);
  for (let at = 0; at < list.length; at++) {
    const node = list[at]!;
    if (c.flow.live === "ended" && !isDeclarationOnly(node)) {
      c.error("P0317", node, "this is unreachable", "the path ends before it: remove it");
      return;
    }
    statement(c, node);
  }
}

function isDeclarationOnly(node: Statement | Directive): boolean {
  return (
    node.type === "FunctionDeclaration" ||
    node.type === "TSInterfaceDeclaration" ||
    node.type === "TSTypeAliasDeclaration" ||
    node.type === "EmptyStatement"
  );
}

export function statement(c: Compilation, node: Statement | Directive): void {
  c.bounds.enter(node);
  dispatch(c, node);
  c.bounds.leave();
}

function dispatch(c: Compilation, node: Statement | Directive): void {
  switch (node.type) {
    case "ReturnStatement":
      returnStatement(c, node);
      return;
    case "IfStatement":
      ifStatement(c, node);
      return;
    case "BlockStatement":
      inner(c, node, () => statements(c, node.body));
      return;
    case "VariableDeclaration":
      variables(c, node);
      return;
    case "ExpressionStatement":
      expressionStatement(c, node.expression);
      return;
    case "SwitchStatement":
      switchStatement(c, node, undefined, statements);
      return;
    case "ForStatement":
    case "ForOfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
    case "ForInStatement":
      loop(c, node, undefined, statement);
      return;
    case "LabeledStatement":
      labelled(c, node, statement, statements);
      return;
    case "BreakStatement":
    case "ContinueStatement":
      jump(c, node);
      return;
    case "FunctionDeclaration":
    case "TSInterfaceDeclaration":
    case "TSTypeAliasDeclaration":
    case "EmptyStatement":
      return;
    case "ThrowStatement":
      c.error("P0309", node, "a policy cannot throw: every path returns a verdict", 'return deny("EPERM")');
      c.flow = { ...c.flow, live: "ended" };
      return;
    case "TryStatement":
      c.error("P0309", node, "a policy cannot throw, so there is nothing to catch", "leave out try");
      return;
    case "ClassDeclaration":
      c.error("P0309", node, "the language has no classes", "const, function and perProcess state");
      return;
    case "TSEnumDeclaration":
      c.error("P0309", node, "the language has no enums", 'a union of strings, `"a" | "b"`, or constants');
      return;
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportDefaultDeclaration":
    case "ExportAllDeclaration":
      c.error("P0309", node, "imports and exports stand at the top of a module");
      return;
    default:
      c.error(
        "P0309",
        node,
        "the language does not have this statement",
        "const, let, if, switch, for, return, function",
      );
  }
}

/** Runs `run` in a new scope. */
function inner(c: Compilation, node: SourceRange, run: () => void): void {
  const { scope } = c;
  c.scope = new LexicalScope(scope, c.file);
  try {
    run();
    c.leaveScope(c.scope, node);
  } finally {
    c.scope = scope;
  }
}

function variables(c: Compilation, node: VariableDeclaration): void {
  if (node.kind !== "const" && node.kind !== "let") {
    c.error("P0309", node, `the language has no \`${node.kind}\``, "const, or let if it changes");
  }
  if (node.declare === true) {
    c.error("P0309", node, "a `declare` has no value", "const name = value");
    return;
  }
  const kind = node.kind === "let" ? "let" : "const";
  for (const { id, init } of node.declarations) {
    if (init === null) {
      bind(c, id, kind === "const" ? unknown : undefined, kind, id);
      continue;
    }
    const { declares } = c;
    c.declares = id.type === "Identifier" ? { name: id.name, node: id, initialiser: init } : undefined;
    const value = c.walker.evaluate(init);
    c.declares = declares;
    if (value.is === "void") {
      c.error("P0207", init, "this has no value");
      bind(c, id, unknown, kind, init);
    } else bind(c, id, value, kind, init);
  }
}

const effects = new Set(["CallExpression", "AssignmentExpression", "UpdateExpression"]);

function expressionStatement(c: Compilation, node: Expression): void {
  const { epoch } = c;
  const value = c.walker.evaluate(node);
  if (value.is === "verdict" && node.type !== "AssignmentExpression") {
    c.error("P0315", node, "this verdict is not returned and has no effect", "write `return` before it");
  } else if (!effects.has(node.type) && value.is !== "unknown" && c.epoch === epoch) {
    c.error("P0315", node, "this has no effect", "remove it, or use its value");
  }
}

function ifStatement(c: Compilation, node: IfStatement): void {
  const test = decidedCondition(c, node.test);
  const [then, otherwise] = bothBranches(
    c,
    test,
    () => inner(c, node.consequent, () => statement(c, node.consequent)),
    () => {
      if (node.alternate !== null) inner(c, node.alternate, () => statement(c, node.alternate!));
    },
  );
  const decided = test.is === "boolean" ? decidedBranch(test, then, otherwise) : undefined;
  const merged = c.merge([then, otherwise]);
  if (decided !== undefined) c.inline((decided ? then : otherwise).out);
  else if (test.is === "boolean" && (then.out.length > 0 || otherwise.out.length > 0)) {
    c.emit({ kind: "if", condition: test.expression, then: then.out, otherwise: otherwise.out }, node.test);
  }
  c.flow = merged;
}

/** Evaluates a condition that selects which statements are walked. */
function decidedCondition(c: Compilation, node: Expression): ReturnType<typeof condition> {
  const test = condition(c, node);
  return isLeftOpen(c, test) ? refuseOpen(c, node) : test;
}

function returnStatement(c: Compilation, node: ReturnStatement): void {
  if (c.returns === undefined) {
    c.error("P0309", node, "`return` stands outside of a function");
    return;
  }
  if (node.argument === null) give(c, c.returns, nothing, node);
  else returnValue(c, c.returns, node.argument, node);
}

/** Walks `return expression`. */
export function returnValue(c: Compilation, target: ReturnTarget, expression: Expression, node: SourceRange): void {
  if (expression.type === "ParenthesizedExpression") return returnValue(c, target, expression.expression, node);
  if (target.splits && expression.type === "Literal" && typeof expression.value === "number") {
    c.error("P0207", expression, "a step returns a verdict, not a number", verdictForNumber(expression.value));
    c.flow = { ...c.flow, live: "ended" };
    return;
  }
  if (target.splits && expression.type === "ConditionalExpression") {
    const test = decidedCondition(c, expression.test);
    const [then, otherwise] = bothBranches(
      c,
      test,
      () => returnValue(c, target, expression.consequent, expression.consequent),
      () => returnValue(c, target, expression.alternate, expression.alternate),
    );
    const decided = test.is === "boolean" ? decidedBranch(test, then, otherwise) : undefined;
    if (decided !== undefined) c.inline((decided ? then : otherwise).out);
    else if (test.is === "boolean") {
      c.emit({ kind: "if", condition: test.expression, then: then.out, otherwise: otherwise.out }, expression.test);
    }
    c.flow = { ...c.flow, live: "ended" };
    return;
  }
  const value =
    target.splits && expression.type === "CallExpression"
      ? c.walker.callInTail(expression, target)
      : c.walker.evaluate(expression);
  if (c.flow.live !== "ended") give(c, target, value, expression);
}

/** The remedy for a returned number: other filters return 0 to allow a call, and an errno or −1 to refuse it. */
function verdictForNumber(number: number): string {
  return number === 0
    ? "return allow to let the call pass"
    : `return deny(${JSON.stringify(errnoName(Math.abs(number)) ?? "EPERM")}) to refuse the call`;
}

function give(c: Compilation, target: ReturnTarget, given: Value, node: SourceRange): void {
  const value = target.check(given, node);
  if (target.kind === "program") {
    if (value.is === "verdict") c.emitReturn(value.expression, node);
  } else {
    // A value with a deep expression is saved in a local: returning through many functions would nest it further.
    const shallow = "expression" in value && ir.measure(value.expression).depth > 16 ? stable(c, value) : value;
    target.ends.push({ flow: c.flow, out: c.out, value: shallow, node });
    c.emit({ kind: "leave", label: target.label });
  }
  c.flow = { ...c.flow, live: "ended" };
}
