/** Assignment to variables of the step: `=`, `+=`, `++`. */

import type { AssignmentExpression, Expression as Node, UpdateExpression } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import { assigningTo } from "../mistakes/operands.ts";
import type { Variable } from "../values/scope.ts";
import { describe, integerConstant, unknown, type Value, widened } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { reportEarlyUse } from "./announcements.ts";
import { conform } from "./conform.ts";
import { resolveType } from "./declared-types.ts";
import { arithmetic, arithmeticOperators } from "./integers.ts";
import { identifier } from "./names.ts";
import { asInteger, integers } from "./operands.ts";
import { stable } from "./stable.ts";

export function assignment(c: Compilation, node: AssignmentExpression): Value {
  const target = node.left;
  if (target.type !== "Identifier") {
    c.walker.evaluate(node.right);
    return c.error(
      "P0309",
      target,
      "only a variable can be assigned",
      target.type === "MemberExpression"
        ? "objects and lists are constant; state is perProcess.value(…).set(…)"
        : undefined,
    );
  }
  const variable = assignable(c, target, node.operator, node.right);
  if (node.operator === "=") {
    const value = c.walker.evaluate(node.right);
    return variable === undefined ? unknown : assign(c, variable, value, node.right);
  }
  const operator = node.operator.slice(0, -1);
  if (!arithmeticOperators.has(operator)) {
    return c.error("P0309", node, `the language has no \`${node.operator}\``, "write it out: `x = x && y`");
  }
  if (variable === undefined) {
    c.walker.evaluate(node.right);
    return unknown;
  }
  const [left, right] = integers(c, [target, node.right], operator);
  if (left === undefined || right === undefined) return unknown;
  return assign(c, variable, arithmetic(c, operator, left, right, node, node.right), node);
}

export function update(c: Compilation, node: UpdateExpression): Value {
  if (node.argument.type !== "Identifier") {
    return c.error("P0309", node, "only a variable can be counted up or down", "perProcess.counter() and `.add()`");
  }
  const variable = assignable(c, node.argument, node.operator);
  if (variable === undefined) return unknown;
  const operator = node.operator === "++" ? "+" : "-";
  const before = asInteger(c, c.walker.evaluate(node.argument), node.argument, node.operator);
  if (before === undefined) return unknown;
  const after = assign(c, variable, arithmetic(c, operator, before, integerConstant(1n), node, node), node);
  return node.prefix ? after : before;
}

function assignable(
  c: Compilation,
  node: Node & { readonly type: "Identifier" },
  operator: string,
  right?: SourceRange,
): Variable<Value> | undefined {
  const variable = c.scope.find(node.name);
  if (variable === undefined) {
    identifier(c, node);
    return undefined;
  }
  const given = right === undefined ? undefined : c.file.text.slice(right.start, right.end);
  const change = assigningTo(variable.value, node.name, operator, given);
  if (change !== undefined) {
    c.error("P0316", node, `\`${node.name}\` is state and changes only through its methods`, `write ${change}`);
    return undefined;
  }
  if (variable.kind === "let" && variable.isEarly) {
    if (c.flow.live === "live") reportEarlyUse(c, variable, node);
    return undefined;
  }
  if (variable.kind !== "let") {
    c.error(
      "P0316",
      node,
      variable.kind === "parameter"
        ? `\`${node.name}\` is a parameter and cannot be assigned`
        : `\`${node.name}\` is a constant`,
      variable.kind === "const" ? "declare it with let" : "let copy = …, and assign to copy",
    );
    return undefined;
  }
  if (variable.time === "constant" && c.time === "step") {
    reportModuleVariable(c, variable);
    return undefined;
  }
  return variable;
}

export function reportModuleVariable(c: Compilation, variable: Variable<Value>): void {
  c.reporter.report(
    "P0301",
    `${variable.ofModule ? "a module's variable" : "a variable from outside the step"} cannot hold state: it has no scope and no rule for fork`,
    { file: variable.file, node: variable.at },
    `const ${variable.name} = perProcess.counter(), and ${variable.name}.add(); or const, if it never changes`,
  );
}

function assign(c: Compilation, variable: Variable<Value>, value: Value, node: SourceRange): Value {
  let assigned = widened(stable(c, value));
  if (variable.type !== undefined) {
    assigned = conform(c, assigned, resolveType(c, variable.type), node, `\`${variable.name}\``);
  } else {
    const before = variable.time === "step" ? c.flow.variables.get(variable) : variable.value;
    if (before !== undefined && before.is !== assigned.is && before.is !== "unknown" && assigned.is !== "unknown") {
      assigned = c.error(
        "P0207",
        node,
        `\`${variable.name}\` is ${describe(before)} and cannot become ${describe(assigned)}`,
      );
    }
  }
  if (variable.time === "step") c.flow.variables.set(variable, assigned);
  else if (c.flow.live === "live") variable.value = assigned;
  return assigned;
}
