import { describe, expect, it } from "vitest";
import type { Circumstances, SystemCallEvent } from "./evaluation.ts";
import { evaluate, inheritState, initialState } from "./interpreter.ts";
import type { Cell, IntegerExpression, Program, Room, Statement, Table, VerdictExpression } from "./program.ts";
import { freshState, smallProgram } from "./testing/parts.ts";

const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value });
const argument0: IntegerExpression = { kind: "input", input: "argument0" };
const verdict = (index: number): VerdictExpression => ({ kind: "verdict", verdict: index });
const give = (index: number): Statement => ({ kind: "return", verdict: verdict(index) });

const allow = 0;
const eperm = 1;
const enomem = 2;
const kill = 3;

function programOf(body: readonly Statement[], declarations: Partial<Program> = {}): Program {
  const refusals = [
    { action: "deny", errno: 1 },
    { action: "deny", errno: 12 },
    { action: "kill-process", errno: 0 },
  ] as const;
  return smallProgram(refusals, { body, ...declarations });
}

function event(number: number, ...first: bigint[]): SystemCallEvent {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = first;
  return { number, architecture: 0xc000_003e, instructionPointer: 0x40_1000n, arguments: [a, b, c, d, e, f] };
}

const circumstances: Circumstances = { now: 5n, pid: 10, tid: 11, uid: 1000, gid: 0xffff_ffff, alive: 2n };

function judge(program: Program, call: SystemCallEvent = event(0), state = freshState(program)) {
  return evaluate(program, call, circumstances, state);
}

describe("inputs", () => {
  it("come from the event and the circumstances", () => {
    const inputs = [
      ["number", 59n],
      ["instructionPointer", 0x40_1000n],
      ["argument0", 1n],
      ["argument1", 2n],
      ["argument2", 3n],
      ["argument3", 4n],
      ["argument4", 5n],
      ["argument5", 2n ** 64n - 1n],
      ["now", 5n],
      ["pid", 10n],
      ["tid", 11n],
      ["uid", 1000n],
      ["gid", 0xffff_ffffn],
      ["alive", 2n],
    ] as const;
    const report = { text: "", values: inputs.map(([name]) => ({ name, print: "unsigned" as const })), at: undefined };
    const values = inputs.map(([input]): IntegerExpression => ({ kind: "input", input }));
    const program = programOf([{ kind: "report", report: 0, values }, give(allow)], { reports: [report] });
    const call = event(59, 1n, 2n, 3n, 4n, 5n, 2n ** 64n - 1n);
    expect(judge(program, call).reports).toEqual([{ report: 0, values: inputs.map(([, value]) => value) }]);
  });
});

describe("control", () => {
  const set = (value: bigint): Statement => ({ kind: "set-integer", local: 0, value: constant(value) });
  const reportLocal: Statement = { kind: "report", report: 0, values: [{ kind: "local", local: 0 }] };
  const reports: Program["reports"] = [{ text: "", values: [{ name: "", print: "unsigned" }], at: undefined }];

  it("leave continues after its own block and skips the blocks between", () => {
    const program = programOf(
      [
        {
          kind: "block",
          label: 0,
          body: [
            { kind: "block", label: 1, body: [set(1n), { kind: "leave", label: 0 }, set(2n)] },
            set(3n),
            reportLocal,
          ],
        },
        reportLocal,
        give(eperm),
        set(4n),
        reportLocal,
      ],
      { locals: ["integer"], reports },
    );
    expect(judge(program)).toEqual({
      verdict: eperm,
      entered: [],
      reports: [{ report: 0, values: [1n] }],
      changedState: false,
    });
  });

  it("locals start as 0, false and verdict 0, in every evaluation", () => {
    const program = programOf(
      [
        {
          kind: "if",
          condition: { kind: "any", of: [{ kind: "boolean-local", local: 1 }, isNotZero({ kind: "local", local: 0 })] },
          then: [give(kill)],
          otherwise: [],
        },
        set(7n),
        { kind: "set-boolean", local: 1, value: { kind: "boolean", value: true } },
        { kind: "return", verdict: { kind: "verdict-local", local: 2 } },
      ],
      { locals: ["integer", "boolean", "verdict"] },
    );
    const state = freshState(program);
    expect([judge(program, event(0), state), judge(program, event(0), state)].map((one) => one.verdict)).toEqual([
      0, 0,
    ]);
  });

  it("a switch takes the first arm that holds the value, without fall-through", () => {
    const program = programOf([
      {
        kind: "switch",
        value: argument0,
        arms: [
          { intervals: [{ from: 5n, to: 9n }], body: [give(eperm)] },
          {
            intervals: [
              { from: 0n, to: 6n },
              { from: 20n, to: 2n ** 64n - 1n },
            ],
            body: [give(enomem)],
          },
          { intervals: [{ from: 11n, to: 11n }], body: [] },
        ],
        otherwise: [give(kill)],
      },
      give(allow),
    ]);
    const verdicts = [0n, 4n, 5n, 6n, 9n, 10n, 11n, 12n, 19n, 20n, 2n ** 64n - 1n].map(
      (value) => judge(program, event(0, value)).verdict,
    );
    expect(verdicts).toEqual([enomem, enomem, eperm, eperm, eperm, kill, allow, kill, kill, enomem, enomem]);
  });

  it("a path without a return is an error, not a verdict", () => {
    expect(() => judge(programOf([]))).toThrow("no return");
  });
});

describe("verdicts", () => {
  it("the strictest wins; of equally strict ones, the first", () => {
    const strictest = (...of: number[]) =>
      judge(programOf([{ kind: "return", verdict: { kind: "strictest", of: of.map(verdict) } }])).verdict;
    expect(strictest(allow, eperm)).toBe(eperm);
    expect(strictest(eperm, enomem)).toBe(eperm);
    expect(strictest(enomem, eperm)).toBe(enomem);
    expect(strictest(enomem, kill, eperm)).toBe(kill);
  });
});

const table = (options: Partial<Table> = {}): Table => ({
  name: "table",
  scope: "process",
  capacity: 2,
  full: enomem,
  onFork: "copy",
  holdsValues: true,
  at: undefined,
  ...options,
});

describe("tables", () => {
  const setKey = (key: bigint, value = 1n): Statement => ({
    kind: "table-set",
    table: 0,
    key: constant(key),
    value: constant(value),
  });

  it("an insert into a full table changes nothing and raises its verdict; other changes stand", () => {
    const cell: Cell = {
      name: "cell",
      scope: "tree",
      kind: { is: "value" },
      initial: 0n,
      onFork: "fresh",
      at: undefined,
    };
    const store: Statement = { kind: "store", cell: 0, value: constant(9n) };
    const program = programOf([setKey(1n), setKey(2n), setKey(3n), store, give(allow)], {
      tables: [table()],
      cells: [cell],
    });
    const state = freshState(program);
    expect(judge(program, event(0), state)).toMatchObject({ verdict: enomem, changedState: true });
    expect([...state.process.tables[0]!.keys()]).toEqual([1n, 2n]);
    expect(state.tree.cells[0]).toBe(9n);
  });

  it("an update of a present key of a full table succeeds, and only delete frees an entry", () => {
    const program = programOf(
      [
        setKey(1n),
        setKey(2n),
        setKey(1n, 5n),
        { kind: "table-delete", table: 0, key: constant(2n) },
        setKey(3n),
        give(allow),
      ],
      { tables: [table()] },
    );
    const state = freshState(program);
    expect(judge(program, event(0), state).verdict).toBe(allow);
    expect([...state.process.tables[0]!]).toEqual([
      [1n, 5n],
      [3n, 1n],
    ]);
  });

  it("the returned verdict wins over an equally strict raised one", () => {
    const tables = [table({ capacity: 1 })];
    expect(judge(programOf([setKey(1n), setKey(2n), give(eperm)], { tables })).verdict).toBe(eperm);
    expect(judge(programOf([setKey(1n), setKey(2n), give(kill)], { tables })).verdict).toBe(kill);
    expect(judge(programOf([setKey(1n), setKey(2n), give(allow)], { tables })).verdict).toBe(enomem);
  });

  it("of several raised verdicts the strictest wins; of equally strict ones, the first", () => {
    const tables = [table({ capacity: 1, full: enomem }), table({ capacity: 1, full: eperm })];
    const insert = (index: number, key: bigint): Statement => ({
      kind: "table-set",
      table: index,
      key: constant(key),
      value: constant(0n),
    });
    const body = (...order: number[]) =>
      programOf([insert(0, 1n), insert(1, 1n), ...order.map((index) => insert(index, 2n)), give(allow)], { tables });
    expect(judge(body(0, 1)).verdict).toBe(enomem);
    expect(judge(body(1, 0)).verdict).toBe(eperm);
  });

  it("a refused insert and a delete of an absent key do not change state", () => {
    const program = programOf([setKey(3n), { kind: "table-delete", table: 0, key: constant(9n) }, give(allow)], {
      tables: [table()],
    });
    const state = freshState(program);
    for (const key of [1n, 2n]) state.process.tables[0]!.set(key, 0n);
    expect(judge(program, event(0), state)).toEqual({ verdict: enomem, entered: [], reports: [], changedState: false });
  });

  it("storing the same word changes state", () => {
    const cell: Cell = { name: "c", scope: "thread", kind: { is: "flag" }, initial: 0n, onFork: "copy", at: undefined };
    const program = programOf([{ kind: "store", cell: 0, value: constant(0n) }, give(allow)], { cells: [cell] });
    expect(judge(program).changedState).toBe(true);
  });

  it("a set stores no values", () => {
    const program = programOf([setKey(1n, 77n), give(allow)], { tables: [table({ holdsValues: false })] });
    const state = freshState(program);
    judge(program, event(0), state);
    expect(state.process.tables[0]!.get(1n)).toBe(0n);
  });
});

describe("state at fork", () => {
  const cell = (options: Partial<Cell>): Cell => ({
    name: "cell",
    scope: "process",
    kind: { is: "value" },
    initial: 1n,
    onFork: "copy",
    at: undefined,
    ...options,
  });
  const phases = { is: "phases", names: ["starting", "serving", "ended"] } as const;
  const program = programOf([give(allow)], {
    cells: [
      cell({}),
      cell({ onFork: "fresh" }),
      cell({ kind: phases, initial: 0n, onFork: { map: [0, 0, 1] } }),
      cell({ scope: "thread" }),
      cell({ scope: "tree", onFork: "fresh" }),
    ],
    tables: [table(), table({ onFork: "fresh" }), table({ scope: "thread" })],
  });

  it("starts with the initial values of its scope", () => {
    expect([...initialState(program, "process").cells]).toEqual([1n, 1n, 0n, 0n, 0n]);
    expect([...initialState(program, "thread").cells]).toEqual([0n, 0n, 0n, 1n, 0n]);
    expect([...initialState(program, "tree").cells]).toEqual([0n, 0n, 0n, 0n, 1n]);
  });

  it("a child copies, starts fresh or maps, and is then independent of its parent", () => {
    const parent = initialState(program, "process");
    parent.cells.set([7n, 7n, 2n]);
    for (const entries of parent.tables) entries.set(1n, 2n);
    const child = inheritState(program, "process", parent);
    expect([...child.cells].slice(0, 3)).toEqual([7n, 1n, 1n]);
    expect(child.tables.map((entries) => entries.size)).toEqual([1, 0, 0]);
    parent.cells[0] = 8n;
    parent.tables[0]!.clear();
    expect(child.cells[0]).toBe(7n);
    expect(child.tables[0]!.get(1n)).toBe(2n);
  });

  it("the first thread of a new process inherits thread state by the same rule; tree state is shared", () => {
    const parent = initialState(program, "thread");
    parent.cells[3] = 9n;
    parent.tables[2]!.set(5n, 5n);
    const child = inheritState(program, "thread", parent);
    expect(child.cells[3]).toBe(9n);
    expect(child.tables[2]!.size).toBe(1);
    const tree = initialState(program, "tree");
    expect(inheritState(program, "tree", tree)).toBe(tree);
  });
});

function isNotZero(value: IntegerExpression) {
  return { kind: "compare", operator: "not-equal", left: value, right: constant(0n) } as const;
}

describe("rooms", () => {
  const room = (late: number): Room => ({
    name: "room",
    scope: "tree",
    sides: ["a", "b"],
    exclusive: 0,
    timeout: 1_000_000n,
    late,
    at: undefined,
  });
  const enter = (which: number, side: number): Statement => ({ kind: "enter", room: which, side });
  const judged = (body: readonly Statement[], rooms: readonly Room[]) =>
    judge(programOf([...body, give(allow)], { rooms }));

  it("are entered in ascending order, each once", () => {
    const rooms = [room(eperm), room(eperm)];
    const { verdict, entered } = judged([enter(1, 0), enter(0, 1), enter(1, 0)], rooms);
    expect(verdict).toBe(allow);
    expect(entered).toEqual([
      { room: 0, side: 1 },
      { room: 1, side: 0 },
    ]);
  });

  it("raise their verdict for another side, and are not changed", () => {
    expect(judged([enter(0, 1), enter(0, 0)], [room(eperm)])).toMatchObject({
      verdict: eperm,
      entered: [{ room: 0, side: 1 }],
    });
  });

  it("raise their verdict for a fifth room", () => {
    const rooms = [enomem, enomem, eperm, enomem, enomem].map(room);
    const { verdict, entered } = judged(
      [4, 3, 1, 0, 2].map((which) => enter(which, 0)),
      rooms,
    );
    expect(verdict).toBe(eperm);
    expect(entered.map(({ room: which }) => which)).toEqual([0, 1, 3, 4]);
  });
});
