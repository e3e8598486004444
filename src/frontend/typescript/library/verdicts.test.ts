import { describe, expect, it } from "vitest";
import { compiled, faults, step } from "../../testing/compiled.ts";

describe("a verdict", () => {
  it("has its errno, its reason and its place", () => {
    const { program } = compiled(
      'if (call.number > 3n) return deny("ENOSYS", "why");\nreturn call.number > 2n ? kill("thread") : log;',
    );
    expect(program!.verdicts.slice(1)).toEqual([
      { action: "deny", errno: 38, reason: "why", at: { file: 0, line: 3, column: 30, length: 21 } },
      { action: "kill-thread", errno: 0, reason: undefined, at: { file: 0, line: 4, column: 27, length: 14 } },
      { action: "log", errno: 0, reason: undefined, at: { file: 0, line: 4, column: 44, length: 3 } },
    ]);
  });

  it("in a function has one entry, however often it is inlined", () => {
    const head = 'const refuse = (): Verdict => deny("EPERM");';
    expect(step("return call.number > 3n ? refuse() : refuse();", { head })).toEqual([
      "if 3 <u number",
      "  return 1 deny EPERM",
      "else",
      "  return 1 deny EPERM",
    ]);
  });

  it("whose errno depends on the call is a choice", () => {
    expect(step('const errno = call.raw.arg0 > 3n ? "EPERM" : "EACCES"; return deny(errno, "both");').at(-1)).toBe(
      'return (i0 == 0 ? 2 deny EPERM "both" : 1 deny EACCES "both")',
    );
  });
});

describe("strictest", () => {
  it("of constants is a constant: of equal ones, the first", () => {
    expect(step('return strictest(allow, deny("EPERM"), log, deny("EACCES"));')).toEqual(["return 1 deny EPERM"]);
    expect(step('return strictest(deny("EPERM"), trap(), kill("thread"), kill("process"), allow);')).toEqual([
      "return 1 kill process",
    ]);
  });

  it("of others is decided at each call", () => {
    expect(step("const v = call.raw.arg0 > 3n ? log : allow; return strictest(v, trap());")).toEqual([
      "return strictest((3 <u argument0 ? 1 log : 2 allow), 3 trap)",
    ]);
  });
});

const zero =
  'with errno 0 the call returns 0 without being made, and the program would continue as if it had succeeded: the language has no such denial → name an error: deny("EPERM")';

it.each([
  ["deny(0n)", `3:13 P0207 ${zero}`],
  ['deny("0")', `3:13 P0103 ${zero}`],
  ["deny(9999)", '3:13 P0207 an errno is given by its name → deny("EPERM")'],
  ['deny("EPREM")', '3:13 P0103 there is no errno "EPREM" → write "EPERM"'],
  ['deny("EPERM", "why", 3n)', '3:8 P0212 `deny` takes an errno and an optional reason → deny("EPERM", "why")'],
  ["deny(call.number)", '3:13 P0207 the errno is a name, not an integer → deny("EPERM")'],
  [
    'deny("EPERM", 5n)',
    "3:22 P0310 a reason is a constant string, not an integer → report(text, values) records values",
  ],
  [`trap("${"x".repeat(1001)}")`, "3:13 P0213 a reason of 1001 characters → at most 1000"],
  ['kill("all")', '3:13 P0207 `kill` takes "process" or "thread" → kill("process") or kill("thread")'],
  ['trap("a", "b")', "3:8 P0212 `trap` takes an optional reason → trap()"],
  ["strictest()", "3:8 P0212 `strictest` takes at least one verdict"],
  ["strictest(allow, 3n)", "3:25 P0207 `strictest` takes verdicts, not an integer"],
])("a fault of a verdict: %s", (verdict, fault) => {
  expect(faults(`return ${verdict};`)).toEqual([`policy.ts:${fault}`]);
});
