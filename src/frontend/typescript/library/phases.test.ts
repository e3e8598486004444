import { describe, expect, it } from "vitest";
import { compiled, faults, judge, programOf, step } from "../../testing/compiled.ts";

const head = 'const p = perProcess.phases(["one", "two", "three"]);';

describe("phases", () => {
  it("are a cell that only grows", () => {
    expect(step('p.enter("three"); return p.is("one", "three") ? trap() : kill("thread");', { head })).toEqual([
      "if $p <u 2",
      "  $p = 2",
      "if $p in {0, 2}",
      "  return 1 trap",
      "else",
      "  return 2 kill thread",
    ]);
    const enter = 'if (call.raw.arg0 === 1n) p.enter("two"); if (call.raw.arg0 === 2n) p.enter("three");';
    const ask = judge(
      programOf(`${enter} return p.is("two") ? trap() : p.is("three") ? kill("process") : kill("thread");`, { head }),
    );
    expect([0n, 1n, 0n, 2n, 1n].map((word) => ask([word]))).toEqual([
      ...["kill-thread", "trap", "trap", "kill-process", "kill-process"],
    ]);
  });

  it("of a child are those of its parent, unless the settings map them", () => {
    const onForkOf = (settings: string) =>
      compiled("return allow;", { head: `const p = perProcess.phases(["one", "two", "three"], ${settings});` }).program!
        .cells[0]!.onFork;
    expect(onForkOf("{}")).toBe("copy");
    // The tree is one.
    expect(
      compiled("return allow;", { head: 'const p = perTree.phases(["one", "two"]);' }).program!.cells,
    ).toMatchObject([{ onFork: "fresh" }]);
    expect(onForkOf('{ onFork: "fresh" }')).toBe("fresh");
    expect(onForkOf('{ onFork: { two: "three", three: "one" } }')).toEqual({ map: [0, 2, 0] });
  });

  it("promise to tighten where the setting stands", () => {
    const { promises } = compiled('p.enter("two"); return allow;', {
      head: 'const p = perProcess.phases(["one", "two"], { tightening: true });',
    });
    expect(promises).toMatchObject([{ cell: 0, scope: "process", at: { line: 2, column: 47 } }]);
  });
});

it.each([
  ['["one"]', "2:29 P0409 1 phases, where 2 … 256 are allowed → a flag also has two states"],
  ['["one", "one"]', '2:29 P0409 the phase "one" is listed twice → give each phase its own name'],
  ['"one"', '2:29 P0207 phases are a list of names, not a string → ["starting", "serving"]'],
  ["[1n, 2n]", "2:29 P0207 a phase is a name, not an integer"],
  ["", '2:11 P0212 phases take a list of names → phases(["starting", "serving"])'],
  [
    '["one", "two"], { onFork: { one: "tow" } }',
    '2:57 P0409 there is no phase "tow" → did you mean "two"? they are one, two',
  ],
  [
    '["one", "two"], { onFork: "one" }',
    '2:55 P0213 a child gets a copy, starts fresh, or starts in the phase that is given for its parent\'s → "copy", "fresh" or { listening: "worker" }',
  ],
  ['["one", "two"], { tightening: false }', "2:59 P0207 `tightening` can only be true → or leave it out"],
])("a fault of phases(%s)", (given, fault) => {
  expect(faults("return allow;", { head: `const p = perProcess.phases(${given});` })).toEqual([`policy.ts:${fault}`]);
});

it.each([
  ['p.enter("four")', '4:9 P0409 there is no phase "four" → they are one, two, three'],
  ["p.enter(3n)", "4:9 P0207 `.enter` takes the name of a phase, not an integer"],
  ["p.is()", "4:1 P0212 `.is` takes at least 1 argument, and gets 0"],
  ["p.is(3n)", "4:6 P0207 `.is` takes names of phases, not an integer"],
])("a fault of a phase's method: %s", (call, fault) => {
  expect(faults(`${call}; return allow;`, { head })).toEqual([`policy.ts:${fault}`]);
});
