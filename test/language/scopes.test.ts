/**
 * Scopes: a name hides outer ones from the start of its scope, and has no value before its declaration. Where JavaScript
 * throws, the compiler reports an error; elsewhere both take the same variable.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { firstDifference } from "./agreement.ts";
import { policyModule } from "./corpus.ts";
import { Host } from "./host.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-scopes-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function write(head: string, body: string): { readonly path: string; readonly text: string } {
  const path = join(folder, `p${count++}.ts`);
  const text = policyModule(head, body);
  writeFileSync(path, text);
  return { path, text };
}

/** The verdict of JavaScript for close(3); throws what the policy throws. */
function execute(path: string): unknown {
  const event = {
    number: 3,
    architecture: auditArchitecture.x86_64,
    instructionPointer: 0n,
    arguments: [3n, 0n, 0n, 0n, 0n, 0n] as never,
  };
  return new Host(path, "x86_64").run(
    [{ kind: "call", task: 0, event, now: 0n, uid: 0, gid: 0, observed: [] }],
    () => true,
  );
}

/** The place of the error, top of the module, body of the step. */
const thrown: Readonly<Record<string, readonly [code: string, under: string, head: string, body: string]>> = {
  "a function that reads a pattern's name too early": [
    "P0320",
    "k; }",
    "const k = 5n;",
    "const r = f(); const { k } = { k: 3n }; function f(): bigint { return k; } return r === k ? log : allow;",
  ],
  "a name before its list pattern": [
    "P0320",
    "k; const",
    "const k = 5n;",
    "const v = k; const [k] = [3n]; return v === k ? log : allow;",
  ],
  "an assignment before the declaration": [
    "P0320",
    "n = 2n",
    "",
    "let n = 1n; { n = 2n; let n = 3n; n = 4n; if (n > 1n) return log; } return n > 1n ? log : allow;",
  ],
  "a name that another case declares": [
    "P0320",
    "y === 7n",
    "const y = 7n;",
    'switch (call.number) { case 1n: const y = 2n; return y > 1n ? log : allow; case 3n: return y === 7n ? log : allow; } return deny("EIO");',
  ],
  "a name that the default case declares in a pattern": [
    "P0320",
    "y === 7n",
    "const y = 7n;",
    "switch (call.number) { case 3n: return y === 7n ? log : allow; default: const { y } = { y: 2n }; return y > 1n ? log : allow; }",
  ],
  "a label that a case declares": [
    "P0320",
    "y: return",
    "const y = 3n;",
    "switch (call.number) { case y: return log; default: const y = 2n; return call.raw.arg0 > y ? log : allow; }",
  ],
  "a loop over its own variable": [
    "P0320",
    "x) {",
    "const x = [1n, 2n];",
    "for (const x of x) { if (call.number === x) return log; } return allow;",
  ],
  "a loop's variable in its own start": [
    "P0320",
    "i; i < 3n",
    "const i = 1n;",
    "for (let i = i; i < 3n; i++) { if (call.number === i) return log; } return allow;",
  ],
  "a default of itself": [
    "P0320",
    "b): bigint",
    "const b = 1n;\nfunction f(a: bigint, b: bigint = b): bigint { return a + b; }",
    "return f(2n) === call.number ? log : allow;",
  ],
  "a default of a later parameter": [
    "P0320",
    "c9, c9",
    "const c9 = 4n;\nfunction f(a: bigint = c9, c9: bigint = 1n): bigint { return a + c9; }",
    "return f() === call.number ? log : allow;",
  ],
  "a function expression that calls itself": [
    "P0302",
    "g(n) : n",
    "const g = (n: bigint): bigint => n;\nconst f = function g(n: bigint): bigint { return n > 1n ? g(n) : n; };",
    "return f(call.number) === 3n ? log : allow;",
  ],
  "a function expression's name as an integer": [
    "P0207",
    "g; }",
    "const g = 3n;\nconst f = function g(n: bigint): bigint { return n + g; };",
    "return f(call.number) === 6n ? log : allow;",
  ],
  "a name that two cases declare": [
    "P0109",
    "y = 3n",
    "",
    "switch (call.number) { case 1n: const y = 2n; return call.raw.arg0 > y ? log : allow; default: const y = 3n; return call.raw.arg1 > y ? log : allow; }",
  ],
  "a parameter that the body declares again": [
    "P0109",
    "a = 3n",
    "function f(a: bigint, b: bigint = 1n): bigint { const a = 3n; return a + b; }",
    "return f(call.number) === 4n ? log : allow;",
  ],
};

/** Top of the module, body of the step. */
const agreed: Readonly<Record<string, readonly [head: string, body: string]>> = {
  "a function that reads a pattern's name after its declaration": [
    "const k = 5n;",
    'const f = (): bigint => k; const [k] = [3n]; return call.number === f() ? deny("EPERM") : allow;',
  ],
  "names of cases in braces": [
    "const y = 7n;",
    'switch (call.number % 4n) { case 1n: { const y = 2n; return call.raw.arg0 > y ? log : allow; } case 2n: { const y = 3n; return call.raw.arg0 > y ? trap() : allow; } default: return call.number > y ? deny("EIO") : allow; }',
  ],
  "a case's name that hides an outer one": [
    "const y = 7n;",
    'const z = y; switch (call.number % 2n) { case 1n: const y = 2n; return call.raw.arg0 > y ? log : allow; } return call.number > z + y ? deny("EIO") : allow;',
  ],
  "a function of a case": [
    "",
    'switch (call.number % 2n) { case 1n: const y = 2n; return f(call.raw.arg0) ? log : allow; function f(n: bigint): boolean { return n > y; } } return deny("EIO");',
  ],
  "a default of an earlier parameter": [
    "const a = 9n;\nfunction f(a: bigint, b: bigint = a): bigint { return a * 100n + b; }",
    'return f(call.number) === 303n ? deny("EIO") : f(call.number, 1n) === 201n ? log : allow;',
  ],
  "a default function, which does not see the body": [
    "const k = 3n;\nfunction f(n: bigint, g: () => bigint = (): bigint => k): bigint { const k = 5n; return n + k + g(); }",
    'return f(call.number) === 11n ? deny("EIO") : allow;',
  ],
  "a default function that sees a parameter": [
    "function f(n: bigint, g: (m: bigint) => bigint = (m: bigint): bigint => m + n): bigint { return g(n * 10n); }",
    'return f(call.number) === 33n ? deny("EIO") : allow;',
  ],
  "a function expression's name hides an outer one": [
    "const g = 3n;\nconst f = function g(n: bigint): bigint { return n + 1n; };",
    'return f(call.number) === 3n + g ? deny("EIO") : allow;',
  ],
  "a name inside of a function expression hides its own": [
    "const f = function g(n: bigint): bigint { const g = 2n; return n + g; };",
    'return f(call.number) === 5n ? deny("EIO") : allow;',
  ],
  "a closure in a loop's head, which keeps the first value": [
    "",
    'let sum = 0n; for (let i = 0n, f = (): bigint => i; i < 3n; i++) { i = i + 0n; sum = sum * 10n + f() + i; } for (let i = 0n, f = (): bigint => i; i < 2n; i++) { i += 1n; sum += f(); } return call.number % 16n === sum ? deny("EIO") : allow;',
  ],
  "closures of each round": [
    "",
    'let last = (): bigint => 0n; let sum = 0n; for (let i = 1n; i < 4n; i++) { const f = (): bigint => i; if (i === 2n) { i = i + 1n; } sum += f(); } return call.number % 8n === sum ? deny("EIO") : last() === 0n ? allow : log;',
  ],
};

describe("where JavaScript throws, the compiler reports", () => {
  it.each(Object.entries(thrown))("%s", (_, [code, under, head, body]) => {
    const { path, text } = write(head, body);
    const { diagnostics, program } = loadPolicy(path, { architecture: "x86_64" });
    expect(diagnostics.map((one) => [one.code, one.message])).toEqual([[code, expect.any(String)]]);
    const { line, column } = diagnostics[0]!.span!;
    expect(text.split("\n")[line - 1]!.slice(column - 1)).toContain(under);
    expect(
      text
        .split("\n")
        [line - 1]!.slice(column - 1)
        .indexOf(under),
    ).toBeLessThan(8);
    expect(program).toBeUndefined();
    // tsc refuses the others: JavaScript adds a function as a text, and esbuild reports a second declaration.
    if (code === "P0320" || code === "P0302") expect(() => execute(path)).toThrow();
  });
});

describe("a compiled policy and JavaScript take the same variable", () => {
  it.each(Object.entries(agreed))("%s", (_, [head, body]) => {
    const { path } = write(head, body);
    const { program, diagnostics } = loadPolicy(path, { architecture: "x86_64" });
    expect(diagnostics.map((one) => one.message)).toEqual([]);
    const host = new Host(path, "x86_64");
    for (let seed = 1; seed <= 5; seed++) expect(firstDifference(program!, host, seed, 120)).toBeUndefined();
  });
});
