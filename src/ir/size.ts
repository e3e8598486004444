/**
 * The size of a program, which bounds compile time and decides whether an engine can hold it. Shared expressions count
 * at each use, because every compiled form expands them.
 */
import type { Expression, Program, Statement } from "./program.ts";
import { bodiesOf, expressionsOf, operands } from "./traverse.ts";

export interface Size {
  /** Statements and expressions. Can exceed 2^53 in a program that shares expressions heavily. */
  readonly nodes: number;
  /** The deepest nesting. */
  readonly depth: number;
}

export function programSize(program: Program): Size {
  return new Measure().list(program.body);
}

export function expressionSize(expression: Expression): Size {
  return new Measure().expression(expression);
}

/** Measures each shared object once, so time is linear in the objects and not in their expansion. */
class Measure {
  private readonly known = new Map<object, Size>();

  expression(expression: Expression): Size {
    return this.once(expression, () => combine(operands(expression).map((operand) => this.expression(operand))));
  }

  list(statements: readonly Statement[]): Size {
    return together(statements.map((statement) => this.statement(statement)));
  }

  private statement(statement: Statement): Size {
    return this.once(statement, () =>
      combine([
        ...expressionsOf(statement).map((expression) => this.expression(expression)),
        ...bodiesOf(statement).map((body) => this.list(body)),
      ]),
    );
  }

  private once(object: object, measure: () => Size): Size {
    let size = this.known.get(object);
    if (size === undefined) {
      size = measure();
      this.known.set(object, size);
    }
    return size;
  }
}

function combine(parts: readonly Size[]): Size {
  const { nodes, depth } = together(parts);
  return { nodes: nodes + 1, depth: depth + 1 };
}

function together(parts: readonly Size[]): Size {
  return parts.reduce((sum, part) => ({ nodes: sum.nodes + part.nodes, depth: Math.max(sum.depth, part.depth) }), {
    nodes: 0,
    depth: 0,
  });
}
