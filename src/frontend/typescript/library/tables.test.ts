/** Tables and sets: what their methods become, and mistakes. */
import { expect, it } from "vitest";
import { faults, judge, programOf, step } from "../../testing/compiled.ts";

const head =
  "const t = perTree.table({ capacity: 2n, full: kill(`thread`) }); const s = perTree.set({ capacity: 2n, full: kill(`thread`) });";

it("each method is an operation of its own table", () => {
  const body = `t.set(call.raw.arg0, 3n); s.add(call.raw.arg1); s.delete(4n); t.delete(5n);
    return t.get(call.raw.arg0, 9n) > 3n && t.has(1n) && !s.has(2n) ? log : allow;`;
  expect(step(body, { head }).slice(0, 5)).toEqual([
    "#t[argument0] = 3",
    "#s add argument1",
    "#s delete 4",
    "#t delete 5",
    "if (3 <u #t[argument0 else 9] and #t.has(1) and not #s.has(2))",
  ]);
});

it("a table has the last value of a key, the other one for an absent key, and its verdict when it is full", () => {
  const ask = judge(
    programOf(
      `if (call.raw.arg2 === 1n) t.delete(call.raw.arg0); else t.set(call.raw.arg0, call.raw.arg1);
       return t.get(call.raw.arg0, 99n) === call.raw.arg3 ? trap() : log;`,
      { head },
    ),
  );
  const [add, remove] = [0n, 1n];
  expect(ask([7n, 1n, add, 1n])).toBe("trap");
  expect(ask([7n, 2n ** 64n - 1n, add, 2n ** 64n - 1n])).toBe("trap");
  expect(ask([2n ** 63n, 3n, add, 3n])).toBe("trap");
  expect(ask([8n, 3n, add, 3n])).toBe("kill-thread");
  expect(ask([7n, 0n, remove, 99n])).toBe("trap");
  expect(ask([8n, 3n, add, 3n])).toBe("trap");
});

it.each([
  ["t.get(1n)", "4:1 P0212 `.get` takes 2 arguments, and gets 1"],
  ["t.set(1n)", "4:1 P0212 `.set` takes 2 arguments, and gets 1"],
  ["t.has()", "4:1 P0212 `.has` takes 1 argument, and gets 0"],
  ["s.add(1n, 2n)", "4:1 P0212 `.add` takes 1 argument, and gets 2"],
  ["s.add(`x`)", "4:7 P0207 a key is an integer, not a string"],
  ["t.set(1n, true)", "4:11 P0207 a value of a table is an integer, not a boolean"],
  ["t.delete(-1n)", "4:10 P0213 a key is 0 … 2^64 − 1, and this can be −1 → BigInt.asUintN(64, …) gives its 64 bits"],
  [
    "t.get(1n, -1n)",
    "4:11 P0213 the value for an absent key is 0 … 2^64 − 1, and this can be −1 → BigInt.asUintN(64, …) gives its 64 bits",
  ],
  ["s.get(1n, 2n)", "4:3 P0106 a KeySet has no `get` → `.has(key)`"],
  ["t.add(1n)", "4:3 P0106 a Table has no `add` → `.set(key, value)`"],
])("a fault: %s", (call, fault) => {
  expect(faults(`${call}; return allow;`, { head })).toEqual([`policy.ts:${fault}`]);
});
