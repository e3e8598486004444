import { expect, it } from "vitest";
import { programOf } from "../../frontend/testing/compiled.ts";
import { describeDefault } from "./default-verdict.ts";

it.each([
  ["return call.name === `read` ? deny(`EPERM`) : allow;", "allow, policy.ts:3:47"],
  ["return call.name === `read` ? allow : deny(`EPERM`, `why`);", "deny EPERM, policy.ts:3:39"],
  ["return call.raw.arg0 > 3n ? trap() : log;", "trap, policy.ts:3:29, or log, policy.ts:3:38"],
  ["return call.number < 5n ? trap() : log;", "log, policy.ts:3:36"],
])("a call that no rule of %s names", (body, expected) => {
  expect(describeDefault(programOf(body))).toBe(expected);
});

it("a call that state decides has each verdict", () => {
  const program = programOf("return c.get() > 3n ? trap() : log;", { head: "const c = perTree.counter();" });
  expect(describeDefault(program)).toBe("log, policy.ts:4:32, or trap, policy.ts:4:23");
});
