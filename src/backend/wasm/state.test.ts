import { describe, expect, test } from "vitest";
import { argument, eventOf, programOf, quiet, returnVerdict } from "../../../test/differential/hand-made.ts";
import { Lockstep } from "../../../test/differential/lockstep.ts";
import type { Cell, Program, Scope, Table } from "../../ir/program.ts";
import { seedTables } from "./state.ts";

const scopes: readonly Scope[] = ["thread", "process", "tree"];

/** Each scope has a cell for every form of inheritance, a copied table and a fresh one; a call changes all of them. */
function everyInheritance(): Program {
  const cells: Cell[] = scopes.flatMap((scope) => [
    {
      name: "copied",
      scope,
      kind: { is: "value" },
      initial: 3n,
      onFork: scope === "tree" ? "fresh" : "copy",
      at: undefined,
    },
    { name: "fresh", scope, kind: { is: "counter" }, initial: 4n, onFork: "fresh", at: undefined },
    {
      name: "mapped",
      scope,
      kind: { is: "phases", names: ["first", "second", "third"] },
      initial: 0n,
      onFork: scope === "tree" ? "fresh" : { map: [1, 2, 0] },
      at: undefined,
    },
  ]);
  const tables: Table[] = scopes.flatMap((scope) =>
    ([true, false] as const).flatMap((holdsValues) =>
      (["copy", "fresh"] as const).map((onFork) => ({
        name: onFork,
        scope,
        capacity: 5,
        full: 2,
        onFork: scope === "tree" ? ("fresh" as const) : onFork,
        holdsValues,
        at: undefined,
      })),
    ),
  );
  return programOf({
    cells,
    tables,
    body: [
      ...cells.map((cell, index) => ({
        kind: "store" as const,
        cell: index,
        value: argument(cell.kind.is === "phases" ? 1 : 0),
      })),
      ...tables.map((_, table) => ({ kind: "table-set" as const, table, key: argument(0), value: argument(0) })),
      returnVerdict(0),
    ],
  });
}

describe("state in memory", () => {
  test("children start as declared and are then independent", () => {
    const lockstep = new Lockstep(everyInheritance());
    const thread = lockstep.create("thread");
    const process = lockstep.create("process");
    lockstep.compareStates();
    for (const [word, phase] of [
      [11n, 1n],
      [12n, 2n],
      [0n, 0n],
    ] as const) {
      lockstep.step(thread, process, eventOf(1, word, phase), quiet);
      const childThread = lockstep.inherit(thread);
      const childProcess = lockstep.inherit(process);
      lockstep.compareStates();
      lockstep.step(childThread, childProcess, eventOf(1, word + 100n, phase), quiet);
      lockstep.step(lockstep.create("thread"), childProcess, eventOf(1, word + 200n, phase), quiet);
    }
  });

  test("a reused slot has no state of its previous owner", () => {
    const lockstep = new Lockstep(everyInheritance());
    const thread = lockstep.create("thread");
    const process = lockstep.create("process");
    const child = lockstep.inherit(process);
    lockstep.step(thread, child, eventOf(1, 5n, 2n), quiet);
    lockstep.remove(child);
    const next = lockstep.create("process");
    expect(next.address).toBe(child.address);
    lockstep.compareStates();
  });

  test("the memory grows for many owners", () => {
    const lockstep = new Lockstep(everyInheritance());
    const before = lockstep.instance.memory.buffer.byteLength;
    const thread = lockstep.create("thread");
    let process = lockstep.create("process");
    for (let index = 0; index < 400; index++) {
      lockstep.holders.delete(process);
      process = lockstep.inherit(process);
    }
    lockstep.step(thread, process, eventOf(1, 5n, 2n), quiet);
    expect(lockstep.instance.memory.buffer.byteLength).toBeGreaterThan(before);
  });

  test("a secret of another length is refused", () => {
    const { memory, layout } = new Lockstep(everyInheritance()).instance;
    expect(() => seedTables(memory, layout, new Uint8Array(8))).toThrow("24 bytes");
  });
});
