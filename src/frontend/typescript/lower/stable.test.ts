import { describe, expect, it } from "vitest";
import { step } from "../../testing/compiled.ts";

const head = "const c = perTree.counter(); const f = perTree.flag(); const p = perTree.phases([`one`, `two`]);";
const steps = (body: string): string[] => step(body, { head });

describe("a value that is read from state is saved", () => {
  it("before a later operand changes the state", () => {
    expect(steps("return c.get() + c.add() > 5n ? trap() : allow;")).toEqual([
      "i1 = $c",
      "i0 = ((0x7fffffffffffffff - $c) <u 1 ? 0x7fffffffffffffff : ($c + 1))",
      "$c = i0",
      "if 5 <u (i1 + i0)",
      "  return 1 trap",
      "else",
      "  return 2 allow",
    ]);
  });

  it("where it gets a name, whatever its type", () => {
    const body = "const n = c.get(); const on = f.get(); const phase = p.get(); f.set(false); p.enter(`two`);";
    expect(steps(`${body} return n > 3n && on && phase === "one" ? trap() : kill("thread");`)).toEqual([
      "i0 = $c",
      "b1 = $f != 0",
      "i2 = $p",
      "$f = 0",
      "if $p <u 1",
      "  $p = 1",
      "if (3 <u i0 and b1 and i2 == 0)",
      "  return 1 trap",
      "else",
      "  return 2 kill thread",
    ]);
  });
});

describe("a value is not saved", () => {
  it("if no later operand changes the state", () => {
    expect(steps("return c.get() + call.raw.arg0 % 4n > 5n ? trap() : kill(`thread`);")[0]).toBe(
      "if 5 <u ($c + (argument0 %u 4))",
    );
  });

  it("if it is of the call, which does not change", () => {
    expect(steps("const n = call.raw.arg0; c.add(); return n > 5n ? trap() : kill(`thread`);").at(-4)).toBe(
      "if 5 <u argument0",
    );
  });
});

it("a large expression is saved, so that its uses do not multiply it", () => {
  const sum = Array.from({ length: 6 }, (_, index) => `(call.raw.arg${index} & 7n)`).join(" + ");
  const lines = step(`const n = ${sum}; const m = n + n; return m + m > 5n ? trap() : allow;`);
  expect(lines[0]).toMatch(/^i0 = .*argument5/);
  expect(lines[1]).toBe("if 5 <u ((i0 + i0) + (i0 + i0))");
});
