import { describe, expect, it } from "vitest";
import { compiledModule, faultsOf, stepOf } from "../../testing/compiled.ts";

const imports =
  'import { allow, deny, log, perTree, type Policy, policy, report, strictest, trap } from "portcullis";\n';
const lower = (text: string): string[] => stepOf(compiledModule(imports + text));

describe("a policy that extends others", () => {
  it("takes the strictest verdict: its own before those of its bases, the last base first", () => {
    const text = `const a = policy((call) => call.raw.arg0 === 1n ? deny("EPERM", "a") : allow);
const b = policy((call) => call.raw.arg0 === 2n ? deny("EPERM", "b") : allow);
export default policy({ extends: [a, b] }, (call) => call.raw.arg0 === 3n ? deny("EPERM", "own") : allow);`;
    const lines = lower(text);
    const [a, b, own] = ["a", "b", "own"].map(
      (reason) =>
        lines
          .find((line) => line.includes(`deny EPERM "${reason}"`))!
          .trim()
          .split(" ")[0],
    );
    expect(lines.at(-1)).toBe(`return strictest(${own}, ${b}, ${a})`);
  });

  it("executes a base once, although two others extend it", () => {
    const text = `const base = policy((call) => { report("base"); return allow; });
const a = policy({ extends: [base] }, (call) => log);
const b = policy({ extends: [base] }, (call) => log);
export default policy({ extends: [a, b] }, (call) => allow);`;
    expect(lower(text).filter((line) => line.includes("report"))).toHaveLength(1);
  });

  it("visits a base once, however many ways lead to it", () => {
    const chain = "p = policy({ extends: [p, p] }, (call) => allow);\n".repeat(40);
    const text = `function make(): Policy { let p = policy((call) => allow);\n${chain}return p; }\nexport default make();`;
    expect(faultsOf(compiledModule(imports + text))).toEqual([]);
  });

  it("judges with the state before its bases' later steps changed it", () => {
    const text = `const c = perTree.counter();
const a = policy((call) => { const v = c.get() > 3n ? trap() : allow; return v; });
export default policy({ extends: [a] }, (call) => { c.add(); return allow; });`;
    const lines = lower(text);
    expect(lines.findIndex((line) => line.includes("3 <u"))).toBeLessThan(
      lines.findIndex((line) => line.startsWith("$c = ")),
    );
  });

  it("has the smallest bounds of lists of all parts, and read-only proc if one of them has", () => {
    const text = `const a = policy({ lists: { entries: 8n }, readOnlyProc: true }, (call) => allow);
const b = policy({ lists: { entries: 9n, bytes: 100n } }, (call) => allow);
export default policy({ extends: [a, b] }, (call) => call.name === "execve" && call.args.argv.includes("x") ? trap() : allow);`;
    const { program } = compiledModule(imports + text);
    expect(program!.readOnlyProc).toBe(true);
    expect(program!.observations).toMatchObject([{ shape: { entries: 8, bytes: 100 } }]);
  });

  it("can have a chain of 1000 bases", () => {
    const chain = Array.from(
      { length: 1000 },
      (_, at) => `  ${at === 0 ? "" : ""}p = policy({ extends: [p] }, (call) => allow);`,
    );
    const text = `function make(): Policy { let p = policy((call) => allow);\n${chain.join("\n")}\nreturn p; }\nexport default make();`;
    expect(faultsOf(compiledModule(imports + text))).toEqual([]);
  });
});

describe("a step that returns no verdict", () => {
  it.each([
    ["deny", 'a step returns a verdict, not a function → call it: `deny("EPERM")`'],
    ["log.call", "a verdict has no `call`"],
    ['"LOG"', "a step returns a verdict, not a string → write `log` without quotes"],
    ['"kill"', 'a step returns a verdict, not a string → write `kill("process")`'],
    ["call.number", 'a step returns a verdict, not an integer → return allow, deny("EPERM", "why"), kill("process") …'],
  ])("%s", (value, message) => {
    const found = faultsOf(compiledModule(`${imports}export default policy((call) => ${value});`));
    expect(found).toEqual([expect.stringContaining(message)]);
  });
});

it("a function without a caller is checked with arguments of its declared types", () => {
  const text = `function over(n: bigint, v: Verdict): Verdict { return n > "3" ? v : allow; }
export default policy((call) => allow);`;
  expect(faultsOf(compiledModule(imports.replace("trap", "trap, type Verdict") + text))).toEqual([
    "policy.ts:2:56 P0208 an integer is compared with a string",
  ]);
});
