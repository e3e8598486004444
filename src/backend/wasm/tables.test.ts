import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { argument, constant, eventOf, programOf, quiet } from "../../../test/differential/hand-made.ts";
import { Lockstep } from "../../../test/differential/lockstep.ts";
import type { Program, Scope } from "../../ir/program.ts";
import { compileWasm } from "./compile.ts";
import { instantiate, writeInputs } from "./instance.ts";
import { tableHeaderSize } from "./layout.ts";

/**
 * Calls set(argument1, argument2), delete or lookups, by argument0; every call reports the table's content for the key.
 */
function tableProgram(capacity: number, holdsValues: boolean, scope: Scope): Program {
  return programOf({
    // A cell before the table, so that its address is not the scope's.
    cells: [{ name: "before", scope, kind: { is: "value" }, initial: 1n, onFork: "fresh", at: undefined }],
    tables: [
      {
        name: "table",
        scope,
        capacity,
        full: 3,
        onFork: scope === "tree" ? "fresh" : "copy",
        holdsValues,
        at: undefined,
      },
    ],
    reports: [
      {
        text: "found",
        values: [
          { name: "has", print: "boolean" },
          { name: "value", print: "unsigned" },
        ],
        at: undefined,
      },
    ],
    body: [
      {
        kind: "switch",
        value: argument(0),
        arms: [
          {
            intervals: [{ from: 0n, to: 0n }],
            body: [{ kind: "table-set", table: 0, key: argument(1), value: argument(2) }],
          },
          { intervals: [{ from: 1n, to: 1n }], body: [{ kind: "table-delete", table: 0, key: argument(1) }] },
        ],
        otherwise: [],
      },
      {
        kind: "report",
        report: 0,
        values: [
          { kind: "from-boolean", value: { kind: "table-has", table: 0, key: argument(1) } },
          holdsValues ? { kind: "table-get", table: 0, key: argument(1), otherwise: constant(-7n) } : constant(0n),
        ],
      },
      { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
    ],
  });
}

const scopes: readonly Scope[] = ["thread", "process", "tree"];

describe("tables agree with the interpreter's", () => {
  for (const scope of scopes) {
    for (const holdsValues of [true, false]) {
      test(`of scope ${scope}, ${holdsValues ? "with values" : "sets"}`, () => {
        const operation = fc.tuple(
          fc.constantFrom(0n, 0n, 0n, 1n, 1n, 2n),
          fc.oneof(fc.bigInt({ min: 0n, max: 12n }), fc.constantFrom(0n, (1n << 64n) - 1n, 1n << 63n)),
          fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        );
        fc.assert(
          fc.property(
            fc.integer({ min: 1, max: 10 }),
            fc.array(operation, { maxLength: 80 }),
            fc.uint8Array({ minLength: 24, maxLength: 24 }),
            (capacity, operations, secret) => {
              const lockstep = new Lockstep(tableProgram(capacity, holdsValues, scope), secret);
              const thread = lockstep.create("thread");
              const process = lockstep.create("process");
              for (const given of operations) lockstep.step(thread, process, eventOf(1, ...given), quiet);
            },
          ),
          { numRuns: 60 },
        );
      });
    }
  }

  test("a table is full at exactly its capacity, and a deletion makes room for exactly one entry", () => {
    for (const zeroIn of [true, false]) {
      const lockstep = new Lockstep(tableProgram(300, true, "process"));
      const thread = lockstep.create("thread");
      const process = lockstep.create("process");
      const judge = (...given: bigint[]) => lockstep.step(thread, process, eventOf(1, ...given), quiet);
      const first = zeroIn ? 0n : 1n;
      const set = (key: bigint) => judge(0n, key, key + 5n);
      const keys = Array.from({ length: 300 }, (_, index) => first + BigInt(index));
      expect(keys.map(set)).toEqual(keys.map(() => 0));
      expect(set(1000n)).toBe(3);
      expect(set(keys[17]!)).toBe(0);
      judge(1n, 1000n);
      expect(set(1000n)).toBe(3);
      judge(1n, keys[100]!);
      expect(set(1000n)).toBe(0);
      expect(set(1001n)).toBe(3);
    }
  });
});

describe("chosen keys", () => {
  const capacity = 65_536;
  const families: Readonly<Record<string, (index: bigint) => bigint>> = {
    "in a row": (index) => index,
    "the high bits only": (index) => index << 48n,
    "the middle bits only": (index) => index << 24n,
    "multiples of the golden ratio": (index) => BigInt.asUintN(64, index * 0x9e37_79b9_7f4a_7c15n),
    "both halves alike": (index) => (index << 32n) | index,
    "the low and the top bit": (index) => (index >> 1n) | ((index & 1n) << 63n),
  };

  for (const [name, keyOf] of Object.entries(families)) {
    test(`${name}: a full table's probes stay short`, () => {
      const { module, layout } = compileWasm(tableProgram(capacity, false, "tree"));
      const secret = Uint8Array.from({ length: 24 }, (_, index) => (index * 89 + 3) & 0xff);
      const { memory, step } = instantiate({ module, layout }, secret);
      const view = new DataView(memory.buffer);
      writeInputs({ memory, layout }, eventOf(1), quiet);
      for (let index = 0; index < capacity; index++) {
        view.setBigUint64(40, keyOf(BigInt(index)), true);
        step(layout.heap, layout.heap);
      }
      // The longest probe of an absent key is the longest run of buckets in use.
      const { offset, buckets } = layout.scopes.tree.tables[0]!;
      const first = layout.tree + offset + tableHeaderSize(false);
      let longest = 0;
      for (let bucket = 0, run = 0; bucket < buckets; bucket++) {
        run = view.getBigUint64(first + bucket * 8, true) === 0n ? 0 : run + 1;
        longest = Math.max(longest, run);
      }
      expect(view.getUint32(layout.tree + offset, true)).toBe(capacity);
      expect(longest).toBeLessThan(500);
    });
  }
});
