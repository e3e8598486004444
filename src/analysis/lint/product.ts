/**
 * The product program of a policy with itself (self-composition): both copies run on the same call and the same state,
 * except for one cell. Its verdict says whether the first copy can be more lenient. For proofs about two states of one
 * policy. Where the first copy gives the policy's strictest verdict, which no other exceeds, the second does not run; in a
 * long list of refusals it would run after each.
 */
import type {
  BooleanExpression,
  Expression,
  IntegerExpression,
  Program,
  Statement,
  ValueType,
  VerdictExpression,
} from "../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement, mapBoolean, mapInteger } from "../../ir/traverse.ts";
import { strictness } from "../../ir/verdicts.ts";

export interface ProductProgram {
  readonly program: Program;
  /** The cell of the first copy, and the cell that the second copy uses instead. */
  readonly later: number;
  readonly earlier: number;
  /** The verdict that means: the first copy is more lenient. */
  readonly broken: number;
}

const holds = 0;
const broken = 1;

export function productProgram(program: Program, cell: number): ProductProgram {
  const earlier = program.cells.length;
  // Whether each table is full: one unknown for each, the same in both copies.
  const firstFull = earlier + 1;
  const locals: ValueType[] = [];
  const newLocal = (type: ValueType): number => locals.push(type) - 1;
  const saved = program.cells.map(() => newLocal("integer"));
  const changing = tablesReadAfterChange(program);
  const runs = [0, 1].map((run) => new Run(program, run, firstFull, changing, newLocal));
  const labels = 1 + maximumLabel(program);
  const [first, second] = runs.map((run, index) => run.translate(labels * index)) as [Translated, Translated];
  const strictest = Math.max(...program.verdicts.map(({ action }) => strictness[action]));
  const body: Statement[] = [
    ...saved.map((local, index): Statement => ({ kind: "set-integer", local, value: { kind: "cell", cell: index } })),
    ...first.statements,
    {
      kind: "if",
      condition: less({ kind: "local", local: first.rank }, constant(strictest)),
      then: [],
      otherwise: [{ kind: "return", verdict: { kind: "verdict", verdict: holds } }],
    },
    ...saved.map(
      (local, index): Statement => ({
        kind: "store",
        cell: index,
        value: index === cell ? { kind: "cell", cell: earlier } : { kind: "local", local },
      }),
    ),
    ...second.statements,
    {
      kind: "return",
      verdict: {
        kind: "verdict-select",
        condition: less({ kind: "local", local: first.rank }, { kind: "local", local: second.rank }),
        then: { kind: "verdict", verdict: broken },
        otherwise: { kind: "verdict", verdict: holds },
      },
    },
  ];
  const flag = { scope: "tree", kind: { is: "flag" }, initial: 0n, onFork: "fresh", at: undefined } as const;
  const tables = program.tables.map((table) => ({ ...table, full: holds }));
  return {
    program: {
      ...program,
      verdicts: [
        { action: "allow", errno: 0, reason: "holds", at: undefined },
        { action: "kill-process", errno: 0, reason: "broken", at: undefined },
      ],
      cells: [
        ...program.cells,
        { ...program.cells[cell]!, name: "earlier" },
        ...program.tables.map((table) => ({ ...flag, name: `${table.name} is full` })),
      ],
      tables: [...tables, ...tables],
      locals,
      body,
    },
    later: cell,
    earlier,
    broken,
  };
}

interface Translated {
  readonly statements: readonly Statement[];
  /** The local with the strictness of the copy's verdict. */
  readonly rank: number;
}

/** One copy: a verdict becomes its strictness, an integer, and `return` leaves a block. */
class Run {
  readonly #program: Program;
  readonly #run: number;
  readonly #firstFull: number;
  readonly #changing: ReadonlySet<number>;
  readonly #newLocal: (type: ValueType) => number;
  readonly #locals: readonly number[];
  readonly #returned: number;
  readonly #raised: number;
  readonly #operands = {
    integer: (expression: IntegerExpression) => this.#integer(expression),
    boolean: (expression: BooleanExpression) => this.#boolean(expression),
  };
  #end = 0;
  #labels = 0;

  constructor(
    program: Program,
    run: number,
    firstFull: number,
    changing: ReadonlySet<number>,
    newLocal: (type: ValueType) => number,
  ) {
    this.#program = program;
    this.#run = run;
    this.#firstFull = firstFull;
    this.#changing = changing;
    this.#newLocal = newLocal;
    this.#locals = program.locals.map((type) => newLocal(type === "verdict" ? "integer" : type));
    this.#returned = newLocal("integer");
    this.#raised = newLocal("integer");
  }

  translate(labels: number): Translated {
    this.#labels = labels;
    this.#end = labels + maximumLabel(this.#program);
    const body = this.#statements(this.#program.body);
    const rank = this.#newLocal("integer");
    const value = larger({ kind: "local", local: this.#returned }, { kind: "local", local: this.#raised });
    return {
      statements: [
        { kind: "block", label: this.#end, body },
        { kind: "set-integer", local: rank, value },
      ],
      rank,
    };
  }

  #statements(statements: readonly Statement[]): Statement[] {
    return statements.flatMap((statement) => this.#statement(statement));
  }

  #statement(statement: Statement): readonly Statement[] {
    switch (statement.kind) {
      case "set-integer":
        return [{ kind: "set-integer", local: this.#locals[statement.local]!, value: this.#integer(statement.value) }];
      case "set-boolean":
        return [{ kind: "set-boolean", local: this.#locals[statement.local]!, value: this.#boolean(statement.value) }];
      case "set-verdict": {
        const before: Statement[] = [];
        const value = this.#rank(statement.value, before);
        return [...before, { kind: "set-integer", local: this.#locals[statement.local]!, value }];
      }
      case "store":
        return [{ kind: "store", cell: statement.cell, value: this.#integer(statement.value) }];
      case "table-set": {
        const { table } = statement;
        const key = this.#integer(statement.key);
        const rank = strictness[this.#program.verdicts[this.#program.tables[table]!.full]!.action];
        const raise: Statement = {
          kind: "if",
          condition: {
            kind: "all",
            of: [
              { kind: "not", value: { kind: "table-has", table: this.#table(table), key } },
              {
                kind: "compare",
                operator: "not-equal",
                left: { kind: "cell", cell: this.#firstFull + table },
                right: constant(0),
              },
            ],
          },
          then: [
            {
              kind: "set-integer",
              local: this.#raised,
              value: larger({ kind: "local", local: this.#raised }, constant(rank)),
            },
          ],
          otherwise: [],
        };
        if (!this.#changing.has(table)) return [raise];
        const value = this.#integer(statement.value);
        return [raise, { kind: "table-set", table: this.#table(table), key, value }];
      }
      case "table-delete":
        if (!this.#changing.has(statement.table)) return [];
        return [{ kind: "table-delete", table: this.#table(statement.table), key: this.#integer(statement.key) }];
      // A wait for a room ends the same way in each phase.
      case "enter":
      case "report":
        return [];
      case "if":
        return [
          {
            kind: "if",
            condition: this.#boolean(statement.condition),
            then: this.#statements(statement.then),
            otherwise: this.#statements(statement.otherwise),
          },
        ];
      case "switch":
        return [
          {
            kind: "switch",
            value: this.#integer(statement.value),
            arms: statement.arms.map(({ intervals, body }) => ({ intervals, body: this.#statements(body) })),
            otherwise: this.#statements(statement.otherwise),
          },
        ];
      case "block":
        return [{ kind: "block", label: this.#labels + statement.label, body: this.#statements(statement.body) }];
      case "leave":
        return [{ kind: "leave", label: this.#labels + statement.label }];
      case "return": {
        const before: Statement[] = [];
        const value = this.#rank(statement.verdict, before);
        return [...before, { kind: "set-integer", local: this.#returned, value }, { kind: "leave", label: this.#end }];
      }
    }
  }

  /** A table that is read after a change has separate contents in each copy; others are read-only here. */
  #table(table: number): number {
    return this.#changing.has(table) ? table + this.#run * this.#program.tables.length : table;
  }

  #rank(verdict: VerdictExpression, before: Statement[]): IntegerExpression {
    switch (verdict.kind) {
      case "verdict":
        return constant(strictness[this.#program.verdicts[verdict.verdict]!.action]);
      case "verdict-local":
        return { kind: "local", local: this.#locals[verdict.local]! };
      case "verdict-select":
        return {
          kind: "select",
          condition: this.#boolean(verdict.condition),
          then: this.#rank(verdict.then, before),
          otherwise: this.#rank(verdict.otherwise, before),
        };
      case "strictest": {
        const parts = verdict.of.map((part) => this.#rank(part, before));
        return parts.reduce((left, right) => {
          // Each is used twice, so each gets a local.
          const [a, b] = [left, right].map((value): IntegerExpression => {
            const local = this.#newLocal("integer");
            before.push({ kind: "set-integer", local, value });
            return { kind: "local", local };
          }) as [IntegerExpression, IntegerExpression];
          return larger(a, b);
        });
      }
    }
  }

  #integer(expression: IntegerExpression): IntegerExpression {
    switch (expression.kind) {
      case "local":
        return { kind: "local", local: this.#locals[expression.local]! };
      case "table-get":
        return mapInteger({ ...expression, table: this.#table(expression.table) }, this.#operands);
      // The same in both copies. Listed, so that a new kind does not compile until its copies are considered here.
      case "constant":
      case "input":
      case "cell":
      case "parameter":
      case "observed":
      case "binary":
      case "extend":
      case "select":
      case "from-boolean":
        return mapInteger(expression, this.#operands);
    }
  }

  #boolean(expression: BooleanExpression): BooleanExpression {
    switch (expression.kind) {
      case "boolean-local":
        return { kind: "boolean-local", local: this.#locals[expression.local]! };
      case "table-has":
        return mapBoolean({ ...expression, table: this.#table(expression.table) }, this.#operands);
      case "boolean":
      case "compare":
      case "within":
      case "not":
      case "all":
      case "any":
        return mapBoolean(expression, this.#operands);
    }
  }
}

function constant(value: number): IntegerExpression {
  return { kind: "constant", value: BigInt(value) };
}

function less(left: IntegerExpression, right: IntegerExpression): BooleanExpression {
  return { kind: "compare", operator: "less-unsigned", left, right };
}

function larger(left: IntegerExpression, right: IntegerExpression): IntegerExpression {
  return {
    kind: "select",
    condition: less(left, right),
    then: right,
    otherwise: left,
  };
}

function maximumLabel(program: Program): number {
  let most = 0;
  forEachStatement(program.body, (statement) => {
    if (statement.kind === "block") most = Math.max(most, statement.label);
  });
  return most + 1;
}

/** Tables that are read after a statement that changes them, in source order. */
function tablesReadAfterChange(program: Program): ReadonlySet<number> {
  const changed = new Set<number>();
  const found = new Set<number>();
  const visit = (expression: Expression) => {
    if (expression.kind !== "table-get" && expression.kind !== "table-has") return;
    if (changed.has(expression.table)) found.add(expression.table);
  };
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) forEachExpression(expression, visit);
    if (statement.kind === "table-set" || statement.kind === "table-delete") {
      // The insert itself also tests for the key: two insertions of one key raise the verdict once.
      if (changed.has(statement.table)) found.add(statement.table);
      changed.add(statement.table);
    }
  });
  return found;
}
