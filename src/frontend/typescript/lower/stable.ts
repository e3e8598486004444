/**
 * Evaluation order. A value is an expression over state, so a later change of state would change it; a value that
 * JavaScript has already read is saved in a local.
 */
import type { Expression, Statement } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { lasting, noFacts } from "../values/facts.ts";
import { type UnknownValue, unknown, type Value, verdict } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

/** A bound value with a larger expression is saved in a local, so that its uses do not multiply it. */
const largestInlined = 16;

/** The same value as it is now: later changes of state do not affect it, and its expression is small. */
export function stable(c: Compilation, value: Value): Value {
  return needsLocal(c, value, largestInlined) ? toLocal(c, value, c.out, c.out.length) : withLastingFacts(value);
}

/**
 * Evaluates in order, as JavaScript does: a value is saved in a local if a later operand changes the state that it
 * reads.
 */
export function inOrder<T extends SourceRange>(
  c: Compilation,
  nodes: readonly T[],
  evaluate: (node: T) => Value,
): Value[] {
  if (nodes.length === 1) return [evaluate(nodes[0]!)];
  // Allocate the final length: lists that grow take several times the memory.
  const values = new Array<Value>(nodes.length);
  const ends = new Array<number>(nodes.length);
  const { out } = c;
  for (let at = 0; at < nodes.length; at++) {
    const before = c.epoch;
    values[at] = evaluate(nodes[at]!);
    if (c.epoch !== before) {
      for (let index = at - 1; index >= 0; index--) {
        const value = values[index]!;
        if (needsLocal(c, value, Number.POSITIVE_INFINITY)) {
          const length = out.length;
          values[index] = toLocal(c, value, out, ends[index]!);
          for (let later = index + 1; later < at; later++) ends[later]! += out.length - length;
        } else values[index] = withLastingFacts(value);
      }
    }
    ends[at] = out.length;
  }
  return values;
}

/** Whether the value depends on an open parameter in a constant context, where it is not known. */
export function isLeftOpen(c: Compilation, value: Value): boolean {
  const expression = c.time === "constant" ? expressionOf(value) : undefined;
  return expression !== undefined && ir.measure(expression).readsParameter;
}

/** Reports a compile-time decision that depends on an open parameter. */
export function refuseOpen(c: Compilation, node: SourceRange): UnknownValue {
  c.error(
    "P0310",
    node,
    "this is decided at compile time and depends on an open parameter",
    "decide it inside the step, or give the parameter a value at `compile`",
  );
  return unknown;
}

function needsLocal(c: Compilation, value: Value, largest: number): boolean {
  // Constants are evaluated before any call, so their value never changes, and a statement would belong to no step.
  if (c.time === "constant") return false;
  const expression = expressionOf(value);
  if (expression === undefined) return false;
  const { readsState, size } = ir.measure(expression);
  return readsState || size > largest;
}

function toLocal(c: Compilation, value: Value, out: Statement[], at: number): Value {
  const insert = (statement: Statement) => {
    if (c.flow.live !== "live") return;
    c.bounds.count(statement, { start: 0, end: 0 });
    out.splice(at, 0, statement);
  };
  switch (value.is) {
    case "integer": {
      const local = c.builder.local("integer");
      insert({ kind: "set-integer", local, value: value.expression });
      return { ...value, expression: { kind: "local", local }, range: c.rangeOf(value) };
    }
    case "boolean": {
      const local = c.builder.local("boolean");
      insert({ kind: "set-boolean", local, value: value.expression });
      return {
        ...value,
        expression: { kind: "boolean-local", local },
        whenTrue: lasting(value.whenTrue),
        whenFalse: lasting(value.whenFalse),
      };
    }
    case "verdict": {
      const local = c.builder.local("verdict");
      insert({ kind: "set-verdict", local, value: value.expression });
      return verdict({ kind: "verdict-local", local });
    }
    case "string": {
      const local = c.builder.local("integer");
      insert({ kind: "set-integer", local, value: value.subject });
      return { ...value, subject: { kind: "local", local } };
    }
    default:
      return value;
  }
}

function expressionOf(value: Value): Expression | undefined {
  if (value.is === "integer" || value.is === "boolean" || value.is === "verdict") return value.expression;
  return value.is === "string" ? value.subject : undefined;
}

function withLastingFacts(value: Value): Value {
  if (value.is !== "boolean" || (value.whenTrue === noFacts && value.whenFalse === noFacts)) return value;
  return { ...value, whenTrue: lasting(value.whenTrue), whenFalse: lasting(value.whenFalse) };
}
