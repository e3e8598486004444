import { describe, expect, it } from "vitest";
import type { Statement } from "../../../ir/program.ts";
import { ProgramBuilder } from "../../program/builder.ts";
import { faults } from "../../testing/compiled.ts";
import { Bounds } from "./bounds.ts";

const node = { start: 3, end: 5 };

function boundsOf(builder = new ProgramBuilder()): Bounds {
  return new Bounds(builder, (code, { start }, message) => {
    throw new Error(`${code} at ${start}: ${message}`);
  });
}

describe("a compilation is given up", () => {
  it("after two million steps, of the walk or of other work", () => {
    const bounds = boundsOf();
    bounds.charge(1_999_999);
    bounds.enter(node);
    bounds.leave();
    expect(() => bounds.enter(node)).toThrow("P0314 at 3: too large");
  });

  it("in the 401st step within a step", () => {
    const bounds = boundsOf();
    for (let depth = 0; depth < 400; depth++) bounds.enter(node);
    bounds.leave();
    bounds.enter(node);
    expect(() => bounds.enter(node)).toThrow("P0318 at 3: nested more than 400 deep");
  });

  it("if its statements nest too deeply, wherever a level is left by an error", () => {
    const bounds = boundsOf();
    const statement: Statement = { kind: "leave", label: 0 };
    const nest = (depth: number): void => {
      if (depth === 0) bounds.count(statement, node);
      else bounds.nested(() => nest(depth - 1));
    };
    nest(100);
    expect(() =>
      bounds.nested(() => {
        throw new Error("of the body");
      }),
    ).toThrow("of the body");
    expect(() => nest(1000)).toThrow("P0318 at 3: the step nests too deeply");
  });
});

describe("a policy that is too large", () => {
  it("by the rounds of its loops ends with one fault, at the statement that is one too many", () => {
    const values = [..."abcdefgh"].map((name) => `${name}: (call.raw.arg0 & 3n) + (call.raw.arg1 & 5n)`).join(", ");
    expect(faults(`for (let i = 0n; i < 9000n; i++)\nreport("x", { ${values} });\nreturn allow;`)).toEqual([
      "policy.ts:4:1 P0314 too large: with its loops unrolled and its functions inlined, the policy has more than 200,000 parts → fewer rounds of the loop, or a set of calls or a table instead of it",
    ]);
  });

  it("by the depth of its functions ends with one fault, in the one that is too deep", () => {
    const functions = ["function f0(n: bigint): boolean { return n > 3n; }"];
    for (let at = 1; at <= 250; at++) functions.push(`function f${at}(n: bigint): boolean { return f${at - 1}(n); }`);
    const [fault, ...others] = faults("return f250(call.raw.arg0) ? log : allow;", { head: functions.join("\n") });
    expect(others).toEqual([]);
    expect(fault).toMatch(
      /^policy\.ts:\d+:\d+ P0318 nested more than 400 deep → name parts of it with const, or write a function$/,
    );
  });
});
