import { expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

it.each([
  ["Date", "now() is the monotonic clock, in nanoseconds"],
  ["console", "report(text, values) makes an event"],
  ["Map", "perTree.table({ … }) and perTree.set({ … }) hold state"],
  ["process", "call.caller has pid, tid, uid and gid; a parameter passes a string in"],
  ["module", "export default policy((call) => …)"],
])("the global %s of JavaScript has a remedy in the language", (name, help) => {
  expect(faults(`return ${name};`)).toEqual([
    `policy.ts:3:8 P0304 \`${name}\` is not in the language: a policy is compiled and does not run as JavaScript → ${help}`,
  ]);
});

it("a name of JavaScript that the policy declares is the policy's", () => {
  expect(step("const Date = 3n; return call.number === Date ? trap() : allow;")[0]).toBe("if number == close");
});

it.each([
  ["return cal.number > 1n ? allow : log;", "there is no `cal` → did you mean `call`?"],
  ["const limit = 3n; return limt > 1n ? allow : log;", "there is no `limt` → did you mean `limit`?"],
  ["return something;", "there is no `something` → declare it with const, or import it"],
  ["return undefined;", "the language has no undefined → give a default value"],
])("an unknown name: %s", (body, message) => {
  expect(faults(body)).toEqual([expect.stringContaining(message)]);
});

it("a verdict that has a name decides at the line that uses it", () => {
  const head = 'const refused = deny("EPERM", "why");';
  const [first, second] = ["if (call.number > 3n)\n  return refused;", "return refused;"];
  expect(step(`${first}\n${second}`, { head })).toEqual([
    "if 3 <u number",
    '  return 1 deny EPERM "why"',
    'return 2 deny EPERM "why"',
  ]);
});
