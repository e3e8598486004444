/**
 * Pass: replaces a local by its value where every path assigns the same constant or argument (whole or extended).
 * Neither changes during an evaluation, and neither costs more than the local.
 */
import { equalExpressions } from "../equality.ts";
import type {
  BooleanExpression,
  Expression,
  IntegerExpression,
  Program,
  Statement,
  ValueType,
  VerdictExpression,
} from "../program.ts";
import { type ExpressionMap, mapBoolean, mapInteger, mapList, mapStatement, mapVerdict } from "../traverse.ts";
import type { Pass } from "./pass.ts";

export const propagateLocals: Pass = {
  name: "propagate-locals",
  run(program: Program): Program {
    const propagation = new Propagation(program.locals);
    const body = propagation.statements(program.body);
    return body === program.body ? program : { ...program, body };
  },
};

/** The value of a local: an expression of inputs and constants, or "unknown". */
type LocalValue = IntegerExpression | BooleanExpression | VerdictExpression | "unknown";

/** Assignments since a branch began, on top of those before it. */
interface Layer {
  readonly below: Layer | undefined;
  readonly own: Map<number, LocalValue>;
}

class Propagation {
  private readonly locals: readonly ValueType[];
  private layer: Layer = { below: undefined, own: new Map() };
  /** False after a `return` or `leave`. */
  private reached = true;
  /** For each open block: the layer in which it began, and the values at each `leave`. */
  private readonly blocks = new Map<number, { readonly layer: Layer; readonly left: Map<number, LocalValue>[] }>();
  private readonly map: ExpressionMap = {
    integer: (expression) => this.integer(expression),
    boolean: (expression) => this.boolean(expression),
    verdict: (expression) => this.verdict(expression),
  };

  constructor(locals: readonly ValueType[]) {
    this.locals = locals;
  }

  statements(statements: readonly Statement[]): readonly Statement[] {
    return mapList(statements, (statement) => this.statement(statement));
  }

  private statement(statement: Statement): Statement {
    switch (statement.kind) {
      case "if":
      case "switch":
        return this.branch(statement);
      case "block":
        return this.block(statement);
      case "leave": {
        const block = this.blocks.get(statement.label);
        if (block !== undefined && this.reached) block.left.push(this.learnedSince(block.layer));
        this.reached = false;
        return statement;
      }
      case "return": {
        const after = mapStatement(statement, this.map, sameBody);
        this.reached = false;
        return after;
      }
      default: {
        const after = mapStatement(statement, this.map, sameBody);
        if (after.kind === "set-integer" || after.kind === "set-boolean" || after.kind === "set-verdict") {
          this.layer.own.set(after.local, isPropagated(after.value) ? after.value : "unknown");
        }
        return after;
      }
    }
  }

  private branch(statement: Statement): Statement {
    const before = this.layer;
    const wasReached = this.reached;
    const ends: Map<number, LocalValue>[] = [];
    const after = mapStatement(statement, this.map, (body) => {
      this.layer = { below: before, own: new Map() };
      this.reached = wasReached;
      const inside = this.statements(body);
      if (this.reached) ends.push(this.layer.own);
      this.layer = before;
      return inside;
    });
    this.join(ends);
    return after;
  }

  private block(statement: Extract<Statement, { kind: "block" }>): Statement {
    const before = this.layer;
    const layer: Layer = { below: before, own: new Map() };
    const left: Map<number, LocalValue>[] = [];
    this.blocks.set(statement.label, { layer, left });
    this.layer = layer;
    const body = this.statements(statement.body);
    if (this.reached) left.push(layer.own);
    this.layer = before;
    this.join(left);
    return body === statement.body ? statement : { ...statement, body };
  }

  /** Continues with the values on which all paths agree. */
  private join(ends: readonly Map<number, LocalValue>[]): void {
    this.reached = ends.length > 0;
    const changed = new Set(ends.flatMap((end) => [...end.keys()]));
    for (const local of changed) {
      const values = ends.map((end) => end.get(local) ?? this.held(local));
      const [first] = values;
      const same = values.every(
        (value) => value === first || (isLocalValue(value) && isLocalValue(first) && equalExpressions(value, first)),
      );
      this.layer.own.set(local, same && first !== undefined ? first : "unknown");
    }
  }

  private learnedSince(layer: Layer): Map<number, LocalValue> {
    const layers: Layer[] = [];
    for (let at: Layer | undefined = this.layer; at !== undefined; at = at.below) {
      layers.push(at);
      if (at === layer) break;
    }
    return new Map(layers.reverse().flatMap((one) => [...one.own]));
  }

  private held(local: number): LocalValue {
    for (let at: Layer | undefined = this.layer; at !== undefined; at = at.below) {
      const value = at.own.get(local);
      if (value !== undefined) return value;
    }
    return initial[this.locals[local]!];
  }

  private integer(expression: IntegerExpression): IntegerExpression {
    if (expression.kind !== "local") return mapInteger(expression, this.map);
    const value = this.held(expression.local);
    return value === "unknown" ? expression : (value as IntegerExpression);
  }

  private boolean(expression: BooleanExpression): BooleanExpression {
    if (expression.kind !== "boolean-local") return mapBoolean(expression, this.map);
    const value = this.held(expression.local);
    return value === "unknown" ? expression : (value as BooleanExpression);
  }

  private verdict(expression: VerdictExpression): VerdictExpression {
    if (expression.kind !== "verdict-local") return mapVerdict(expression, this.map);
    const value = this.held(expression.local);
    return value === "unknown" ? expression : (value as VerdictExpression);
  }
}

const initial: { readonly [T in ValueType]: LocalValue } = {
  integer: { kind: "constant", value: 0n },
  boolean: { kind: "boolean", value: false },
  verdict: { kind: "verdict", verdict: 0 },
};

function isLocalValue(value: LocalValue | undefined): value is Exclude<LocalValue, "unknown"> {
  return value !== undefined && value !== "unknown";
}

function isPropagated(value: Expression): boolean {
  if (value.kind === "extend") return value.value.kind === "input";
  return ["constant", "input", "parameter", "observed", "boolean", "verdict"].includes(value.kind);
}

function sameBody(body: readonly Statement[]): readonly Statement[] {
  return body;
}
