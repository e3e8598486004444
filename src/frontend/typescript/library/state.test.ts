import { describe, expect, it } from "vitest";
import { compiled, faults } from "../../testing/compiled.ts";

describe("a declaration of state", () => {
  it("has its variable's name, scope, start and inheritance", () => {
    const head = `const opened = perProcess.counter(3n);
      const late = perThread.flag(true, { onFork: "fresh" });
      const mark = perTree.value(7n);
      const seen = perProcess.table({ capacity: 4n, full: trap() });`;
    const { program } = compiled("return allow;", { head });
    expect(program!.cells).toMatchObject([
      {
        name: "opened",
        scope: "process",
        kind: { is: "counter" },
        initial: 3n,
        onFork: "copy",
        at: { line: 2, column: 7 },
      },
      { name: "late", scope: "thread", kind: { is: "flag" }, initial: 1n, onFork: "fresh" },
      { name: "mark", scope: "tree", kind: { is: "value" }, initial: 7n, onFork: "fresh" },
    ]);
    expect(program!.tables).toMatchObject([
      { name: "seen", scope: "process", capacity: 4, onFork: "copy", holdsValues: true },
    ]);
  });

  it("without a variable has the name of its kind, and no two have one name", () => {
    const { program } = compiled("return allow;", { head: "const both = [perTree.counter(), perTree.counter()];" });
    expect(program!.cells.map(({ name }) => name)).toEqual(["counter", "counter#2"]);
  });

  it("in a branch that a constant decides is not made", () => {
    const head =
      'const on = parameter.flag("on", { default: false }); const c = on ? perTree.counter() : perTree.counter(5n);';
    expect(compiled("return allow;", { head }).program!.cells).toMatchObject([{ initial: 5n }]);
  });
});

const bytes = "4096 bytes for each thread and each process; perTree has room for tables";
const form = '{ capacity: 1024n, full: deny("ENOMEM") }';

it.each([
  [
    "perTree.set({ capacity: 4n })",
    '2:23 P0406 a set needs the verdict for a call that finds it full → full: deny("ENOMEM")',
  ],
  ["perTree.set({ full: trap() })", "2:23 P0406 a set needs a capacity → capacity: 1024n"],
  [
    "perTree.set({ capacity: 4n, full: `x` })",
    "2:39 P0310 `full` of the settings of a set must be a verdict that is known at compile time, not a string",
  ],
  [
    "perTree.set({ capacity: 4n, full: allow })",
    '2:45 P0403 a full table must not allow: filling it would disable the rule → full: deny("ENOMEM")',
  ],
  [
    "perTree.set({ capacity: 0n, full: trap() })",
    "2:35 P0406 a capacity of 0: a set of a tree can have 1 … 65536 entries → memory for all entries is allocated at each start",
  ],
  [
    "perProcess.table({ capacity: 256n, full: trap() })",
    "2:40 P0406 a capacity of 256: a table of a process can have 1 … 255 entries → perTree.table can have 65536",
  ],
  ["perTree.table()", `2:11 P0212 a table takes its settings → ${form}`],
  [
    "perTree.table({ capacity: 4n, full: trap(), size: 3n })",
    "2:55 P0106 the settings of a table have no `size` → they have capacity, full, onFork",
  ],
  ["perThread.flag(5n)", "2:26 P0207 a flag starts as true or false, not an integer"],
  ["perThread.flag(true, {}, 3n)", "2:36 P0212 a flag takes at most 2 arguments"],
  ["perThread.counter(-1n)", "2:29 P0213 this holds 0 … 9223372036854775807, and not −1"],
  ["perThread.value()", "2:11 P0212 a value takes its initial value → value(0n)"],
  ['perThread.value("x")', "2:27 P0207 this starts as an integer, not a string"],
  [
    'perThread.value(0n, { onFork: "fersh" })',
    '2:41 P0213 a child gets a copy or starts fresh, not "fersh" → "copy" or "fresh"',
  ],
  [
    'perTree.value(0n, { onFork: "copy" })',
    "2:39 P0213 the tree has one shared state: there is no inheritance → leave out onFork",
  ],
  [
    "[perThread.table({ capacity: 255n, full: trap() }), perThread.flag(), perThread.flag()]",
    `2:81 P0407 too much state for a thread: 4104 bytes → ${bytes}`,
  ],
  [
    "perThread.rooms({ sides: [`a`] })",
    "2:11 P0411 a thread makes one call at a time, so its calls never overlap → perProcess.rooms, perMemory.rooms or perTree.rooms",
  ],
])("a fault of a declaration: %s", (declaration, fault) => {
  expect(faults("return allow;", { head: `const s = ${declaration};` })).toEqual([`policy.ts:${fault}`]);
});

it("state is declared outside of the step, and used inside", () => {
  expect(faults("const c = perTree.counter(); return c.get() > 1n ? allow : log;")).toEqual([
    "policy.ts:3:11 P0306 state cannot be declared inside the step → at the top of the module: const name = perTree.counter(…)",
  ]);
  expect(faults("return allow;", { head: "const c = perTree.counter(); const n = c.get();" })).toEqual([
    "policy.ts:2:40 P0319 state is known only at each call, not at the top of a module → inside the function that is given to policy(…)",
  ]);
});
