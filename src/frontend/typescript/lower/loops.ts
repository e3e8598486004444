/** Loops over constant lists and constant ranges, unrolled. `break` and `continue` become `leave`. */

import type {
  BreakStatement,
  ContinueStatement,
  DoWhileStatement,
  ForInStatement,
  ForOfStatement,
  ForStatement,
  LabeledStatement,
  Statement,
  WhileStatement,
} from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import { noFacts } from "../values/facts.ts";
import { LexicalScope } from "../values/scope.ts";
import type { Value } from "../values/values.ts";
import { constantBoolean, describe } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { JumpTarget } from "../walk/flow.ts";
import { announceVariables } from "./announcements.ts";
import { bind, declare } from "./bindings.ts";
import { condition } from "./conditions.ts";
import { switchStatement } from "./switches.ts";

type Loop = ForStatement | ForOfStatement | WhileStatement | DoWhileStatement | ForInStatement;
type Walk = (c: Compilation, node: Statement) => void;

/** A larger unrolled loop exceeds the size of a step. */
const mostRounds = 65_536;

export function loop(c: Compilation, node: Loop, name: string | undefined, walk: Walk): void {
  switch (node.type) {
    case "ForOfStatement":
      return forOf(c, node, name, walk);
    case "ForStatement":
      return forLoop(c, node, name, walk);
    case "ForInStatement":
      c.error("P0309", node, "the language has no `for … in`", 'for (const name of ["a", "b"])');
      return;
    default:
      c.error(
        "P0303",
        node.test,
        "this loop has no bound",
        "loops run over constants: `for (let i = 0n; i < 8n; i++)` with a test inside",
      );
      once(c, node.body, walk);
  }
}

function forOf(c: Compilation, node: ForOfStatement, name: string | undefined, walk: Walk): void {
  const { scope } = c;
  // The list is evaluated in the scope of the loop's variable: `for (const x of x)` reads no outer `x`.
  c.scope = new LexicalScope(scope, c.file);
  if (node.left.type === "VariableDeclaration") announceVariables(c, node.left);
  const list = c.walker.evaluate(node.right);
  if (list.is !== "list") once(c, node.body, walk);
  c.scope = scope;
  if (node.await || node.left.type !== "VariableDeclaration" || node.left.declarations.length !== 1) {
    c.error("P0309", node, "a loop over a list is written `for (const one of list)`");
    return;
  }
  if (list.is === "unknown") return;
  if (list.is !== "list") {
    c.error(
      "P0303",
      node.right,
      `a loop runs over a constant list, not ${describe(list)}`,
      "for (const one of [1n, 2n])",
    );
    return;
  }
  const pattern = node.left.declarations[0]!.id;
  const kind = node.left.kind === "let" ? "let" : "const";
  const rounds = list.elements[Symbol.iterator]();
  try {
    unroll(c, node, name, () => {
      const next = rounds.next();
      if (next.done === true) return undefined;
      c.scope = new LexicalScope(scope, c.file);
      bind(c, pattern, next.value, kind, pattern);
      return () => {
        const own = c.scope;
        walk(c, node.body);
        c.leaveScope(own, node);
      };
    });
  } finally {
    c.scope = scope;
  }
}

function forLoop(c: Compilation, node: ForStatement, name: string | undefined, walk: Walk): void {
  const { scope } = c;
  const head = new LexicalScope(scope, c.file);
  c.scope = head;
  try {
    if (node.init?.type === "VariableDeclaration") {
      announceVariables(c, node.init);
      walk(c, node.init);
    } else if (node.init !== null) c.walker.evaluate(node.init);
    if (node.test === null) {
      c.error("P0303", node, "this loop has no bound", "`for (let i = 0n; i < 8n; i++)`");
      return;
    }
    const { test, update, body } = node;
    let first = true;
    unroll(c, node, name, () => {
      // Each round has its own variables, as in JavaScript: a closure captures those of its round, and one in the
      // loop's head those before the first round.
      nextRound(c, scope, node);
      if (!first) {
        if (update !== null && c.walker.evaluate(update).is === "unknown" && c.flow.live === "live") {
          c.flow.uncertain = true;
          return undefined;
        }
      }
      first = false;
      const goesOn = condition(c, test);
      if (goesOn.is === "unknown") return undefined;
      const constant = constantBoolean(goesOn);
      if (constant === undefined) {
        unbounded(c, node);
        once(c, node.body, walk);
        return undefined;
      }
      return constant ? () => walk(c, body) : undefined;
    });
  } finally {
    c.scope = scope;
  }
}

function nextRound(c: Compilation, outer: LexicalScope<Value>, node: SourceRange): void {
  const previous = c.scope;
  c.scope = new LexicalScope(outer, c.file);
  for (const variable of previous.ownVariables()) {
    const value = variable.time === "step" && variable.kind === "let" ? c.flow.variables.get(variable) : variable.value;
    if (variable.kind === "let" || variable.kind === "const") {
      declare(c, variable.name, variable.at, variable.kind, value, variable.type);
    }
  }
  c.leaveScope(previous, node);
}

/** Walks the body of an invalid loop once, to report further errors in it. */
function once(c: Compilation, body: Statement, walk: Walk): void {
  const target: JumpTarget = { name: undefined, breakLabel: 0, breaks: [], continues: { label: 0, ends: [] } };
  c.jumps.push(target);
  c.branch({ ...noFacts, impossible: true }, () => walk(c, body));
  c.jumps.pop();
  c.flow.uncertain = true;
}

/** Reports which part of the loop's test is not constant. */
function unbounded(c: Compilation, node: ForStatement): void {
  const test = node.test!;
  let place: SourceRange = test;
  let what = "not known at compile time";
  if (test.type === "BinaryExpression" && test.left.type !== "PrivateIdentifier") {
    const sides = [test.right, test.left];
    const values = sides.map((side) => c.branch({ ...noFacts, impossible: true }, () => c.walker.evaluate(side)).value);
    const at = values.findIndex((value) => value.is === "integer" && value.expression.kind !== "constant");
    const value = values[at];
    if (value !== undefined) {
      place = sides[at]!;
      if (value.is === "integer" && value.described?.startsWith("`")) what = "an argument";
    }
  }
  c.error(
    "P0303",
    place,
    `the bound of this loop is ${what}`,
    "loops run over constants: `for (let i = 0n; i < 8n; i++)` with a test inside",
  );
}

/** Walks rounds until `next` returns undefined or the path ends. */
function unroll(
  c: Compilation,
  node: SourceRange,
  name: string | undefined,
  next: () => (() => void) | undefined,
): void {
  const target: JumpTarget = { name, breakLabel: c.builder.label(), breaks: [], continues: undefined };
  c.block(
    target.breakLabel,
    () => {
      for (let count = 0; c.flow.live !== "ended"; count++) {
        const round = next();
        if (round === undefined) break;
        if (count >= mostRounds) {
          c.giveUp(
            "P0314",
            node,
            `too large: this loop runs more than ${mostRounds} rounds, and each is unrolled`,
            "use fewer rounds, or a table instead of the loop",
          );
        }
        const continues = { label: c.builder.label(), ends: [] };
        target.continues = continues;
        c.jumps.push(target);
        try {
          c.block(continues.label, round, () => continues.ends);
        } finally {
          c.jumps.pop();
        }
        if (c.flow.live === "folded") break; // dead by a constant: one round reports all errors
      }
    },
    () => target.breaks,
  );
}

export function labelled(
  c: Compilation,
  node: LabeledStatement,
  walk: Walk,
  walkAll: (c: Compilation, list: readonly Statement[]) => void,
): void {
  switch (node.body.type) {
    case "ForStatement":
    case "ForOfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
    case "ForInStatement":
      return loop(c, node.body, node.label.name, walk);
    case "SwitchStatement":
      return switchStatement(c, node.body, node.label.name, walkAll);
    default:
      c.error("P0309", node, "only a loop or a switch has a label");
  }
}

export function jump(c: Compilation, node: BreakStatement | ContinueStatement): void {
  const wanted = node.label?.name;
  const breaks = node.type === "BreakStatement";
  const target = c.jumps.findLast((one) =>
    wanted === undefined ? breaks || one.continues !== undefined : one.name === wanted,
  );
  if (target === undefined) {
    c.error("P0309", node, `there is no loop here to ${breaks ? "break out of" : "continue"}`);
    return;
  }
  if (!breaks && target.continues === undefined) {
    c.error("P0309", node, "`continue` does not apply to a switch", "break");
    return;
  }
  const [label, ends] = breaks ? [target.breakLabel, target.breaks] : [target.continues!.label, target.continues!.ends];
  ends.push({ flow: c.flow, out: c.out });
  c.emit({ kind: "leave", label });
  c.flow = { ...c.flow, live: "ended" };
}
