/**
 * How large a program is: what decides how long compiling it takes and whether an engine can hold it. The front end
 * shares expressions between places; they are counted as often as they are used, because every form downstream expands
 * them.
 */
import type { Expression, Program, Statement } from "./program.ts";
import { bodiesOf, expressionsOf, operands } from "./traverse.ts";

export interface Size {
  /** Statements and expressions. May exceed 2^53 where expressions are shared often. */
  readonly nodes: number;
  /** The longest chain of one inside the other. */
  readonly depth: number;
}

export function programSize(program: Program): Size {
  return new Measure().list(program.body);
}

export function expressionSize(expression: Expression): Size {
  return new Measure().expression(expression);
}

/** Measures each shared object once, so that time is bounded by the objects there are, not by what they expand to. */
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
