// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the policies stand here as texts
/** Each code of the front end, with a minimal module: the code, the text under the caret, and no other diagnostic. */
import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { catalogue } from "../../src/diagnostics/catalogue.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { policyModule } from "./corpus.ts";

type Case = readonly [code: string, under: string, head: string, body: string];

function load(text: string, architecture: ArchitectureName = "x86_64", set?: ReadonlyMap<string, string>) {
  const files = new Map([["/policies/main.ts", text]]);
  return loadPolicy("/policies/main.ts", {
    architecture,
    set,
    readFile: (path) => {
      const found = files.get(path);
      if (found === undefined) throw new Error("no such file");
      return found;
    },
  });
}

/** The text that a diagnostic's caret is under. */
function underlined(text: string, span: { line: number; column: number; length: number }): string {
  return text.split("\n")[span.line - 1]!.slice(span.column - 1, span.column - 1 + span.length);
}

const cases: readonly Case[] = [
  // Names
  ["P0101", '"raed"', "", 'return call.name === "raed" ? deny("EPERM") : allow;'],
  ["P0101", '"@netwrok-io"', 'const s = calls("@netwrok-io");', "return s.has(call) ? allow : log;"],
  ["P0101", '"opne"', 'const s = calls("@file-system").without("opne");', "return s.has(call) ? allow : log;"],
  ["P0102", "pathname", "", 'return call.name === "openat" && call.args.pathname === 1n ? deny("EPERM") : allow;'],
  ["P0103", '"EPERMM"', "", 'return deny("EPERMM");'],
  [
    "P0104",
    '"O_CRAET"',
    "",
    'return call.name === "openat" && call.args.flags.has("O_CRAET") ? deny("EPERM") : allow;',
  ],
  ["P0104", '"AF_INETT"', "", 'return call.name === "socket" && call.args.family.is("AF_INETT") ? log : allow;'],
  ["P0105", "alow", "", "return alow;"],
  ["P0105", "kill", "", 'return call.number > 3n ? allow : /**/ kill("process");'],
  ["P0106", "nmae", "", 'return call.nmae === "read" ? log : allow;'],
  ["P0106", "length", "const list = [1n];", "return list.length === 1n ? log : allow;"],
  ["P0106", "lmit: 3n", 'const r = perTree.rate({ lmit: 3n, per: "1s" });', "return r.take() ? allow : log;"],
  ["P0107", '"./other.ts"', 'import { x } from "./other.ts";', "return x ? allow : log;"],
  ["P0107", '"./other.js"', 'import { x } from "./other.js";', "return x ? allow : log;"],
  ["P0108", "alow", 'import { alow } from "portcullis";', "return alow;"],
  ["P0109", "x", "const x = 1n;\nconst x = 2n;", "return call.number === x ? allow : log;"],
  ["P0109", "a", "const o = { a: 1n, a: 2n };", "return call.number === o.a ? allow : log;"],
  [
    "P0110",
    'parameter.integer("most")',
    'const most = parameter.integer("most");',
    "return call.number < most ? allow : log;",
  ],
  ["P0113", "Verdct", "function f(): Verdct { return allow; }", "return f();"],
  // Types and numbers
  ["P0201", "3", "", "return call.number === 3 ? allow : log;"],
  ["P0201", "number", "function f(n: number): Verdict { return allow; }", "return f(call.number);"],
  ["P0202", "call.number", "", "return call.number ? allow : log;"],
  ["P0202", "call.args.flags", "", 'return call.name === "openat" && call.args.flags ? allow : log;'],
  ["P0203", "call.raw.arg0 + 1n", "", "return call.raw.arg0 + 1n > 5n ? allow : log;"],
  ["P0203", "call.raw.arg0 - call.raw.arg1", "", "return call.raw.arg0 - call.raw.arg1 > 5n ? allow : log;"],
  ["P0203", "call.raw.arg0 * 2n", "", "const x = call.raw.arg0 * 2n; return x > 5n ? allow : log;"],
  ["P0203", "0x1_0000_0000_0000_0000n", "", "return call.raw.arg0 === 0x1_0000_0000_0000_0000n ? allow : log;"],
  ["P0203", "~call.raw.arg0", "", "return ~call.raw.arg0 > 5n ? allow : log;"],
  ["P0204", "call.args.fd < 0n", "", 'return call.name === "write" && call.args.fd < 0n ? allow : log;'],
  ["P0204", "call.args.mode <= 65535n", "", 'return call.name === "chmod" && call.args.mode <= 65535n ? allow : log;'],
  [
    "P0204",
    'call.name === "read"',
    "",
    'if (call.name === "read") return log; return call.name === "read" ? trap() : allow;',
  ],
  ["P0204", "1n === 2n", "", "return 1n === 2n ? allow : log;"],
  ["P0204", "-1n < (2n + 3n)", "", "return -1n < (2n + 3n) && call.number > 3n ? allow : log;"],
  [
    "P0204",
    'kind === "unix"',
    "",
    'if (call.name !== "connect") return log; const { kind } = call.args.addr; return kind === "ip" && kind === "unix" ? trap() : allow;',
  ],
  [
    "P0204",
    "call.raw.arg0 > 9n",
    "",
    "if (call.raw.arg0 < 5n) { return call.raw.arg0 > 9n ? log : allow; } return allow;",
  ],
  [
    "P0204",
    '"read"',
    "",
    'switch (call.name) { case "write": return log; case "read": return log; case "read": return trap(); } return allow;',
  ],
  ["P0205", '"read"', "", 'return call.name === "write" || "read" ? log : allow;'],
  ["P0206", '"10.1.2.3/8"', 'const s = cidr("10.1.2.3/8");', "return s.has(1n) ? allow : log;"],
  ["P0207", "1n", "function f(b: boolean): Verdict { return b ? allow : log; }", "return f(1n);"],
  ["P0207", "5n", "", "return 5n;"],
  ["P0207", "0", "", "return deny(0);"],
  ["P0103", '"0"', "", 'return deny("0");'],
  [
    "P0207",
    "call",
    'function f(one: CallOf<"read">): Verdict { return one.args.fd > 2n ? log : allow; }',
    "return f(call);",
  ],
  ["P0207", "true", "", "let x = 1n; if (call.number > 1n) x = true; return x > 1n ? allow : log;"],
  ["P0207", '"x"', "", 'return "x" + call.number > 1n ? allow : log;'],
  ["P0208", "call.number === call.name", "", "return call.number === call.name ? allow : log;"],
  ["P0208", "call.args.flags === 0n", "", 'return call.name === "openat" && call.args.flags === 0n ? allow : log;'],
  ["P0209", "call.raw.arg1", "", "return call.raw.arg0 / call.raw.arg1 > 1n ? allow : log;"],
  ["P0209", "0n", "", "return call.raw.arg0 % 0n > 1n ? allow : log;"],
  ["P0210", "call.raw.arg1", "", "return call.raw.arg0 >> call.raw.arg1 > 1n ? allow : log;"],
  ["P0211", "fd", "", "return call.args.fd > 1n ? allow : log;"],
  [
    "P0211",
    "flags",
    'const s = calls("openat", "creat");',
    'return s.has(call) && call.args.flags.has("O_CREAT") ? log : allow;',
  ],
  ["P0212", "deny()", "", "return deny();"],
  [
    "P0212",
    "f(1n, 2n)",
    "function f(n: bigint): bigint { return n; }",
    "return f(1n, 2n) === call.number ? allow : log;",
  ],
  ["P0212", "i", "", "return [1n, 2n].some((x, i) => x === call.number) ? allow : log;"],
  [
    "P0109",
    "a",
    "const b = { a: 1n };\nconst o = { a: 2n, ...b, a: 3n };",
    "return call.number === o.a ? allow : log;",
  ],
  [
    "P0305",
    "}",
    'function f(mode: "a" | "b"): bigint { switch (mode) { case "a": return 1n; } }',
    'return call.number === f("b") ? allow : log;',
  ],
  ["P0213", "-1n", "const c = perTree.counter(-1n);", "return c.get() > 1n ? allow : log;"],
  [
    "P0213",
    "call.args.dirfd",
    'const s = perTree.set({ capacity: 4n, full: deny("ENOMEM") });',
    'if (call.name === "openat") s.add(call.args.dirfd); return allow;',
  ],
  ["P0214", '"5 s"', 'const d = duration("5 s");', "return now() > d ? allow : log;"],
  // Shape
  ["P0301", "n", "let n = 0n;", "return call.number === n ? allow : log;"],
  [
    "P0302",
    "f(n)",
    "function f(n: bigint): boolean { return g(n); }\nfunction g(n: bigint): boolean { return f(n); }",
    "return f(call.number) ? allow : log;",
  ],
  ["P0303", "call.raw.arg0", "", 'for (let i = 0n; i < call.raw.arg0; i++) { report("x"); } return allow;'],
  ["P0303", "true", "", "while (true) { return allow; }"],
  ["P0303", "call.number", "", 'for (const x of call.number) { report("x"); } return allow;'],
  ["P0304", "Math", "", "return Math.max(1n, 2n) > 1n ? allow : log;"],
  ["P0305", "}", "", 'if (call.name === "read") return log;'],
  [
    "P0305",
    "}",
    "function f(n: bigint): bigint { if (n > 5n) return 1n; }",
    "return f(call.number) > 0n ? allow : log;",
  ],
  ["P0306", "perTree.counter()", "", "const c = perTree.counter(); return c.get() > 1n ? allow : log;"],
  ["P0307", " as bigint", "", "return (call.number as bigint) > 1n ? allow : log;"],
  ["P0307", "call.number!", "", "return call.number! > 1n ? allow : log;"],
  ["P0308", '"node:fs"', 'import { readFileSync } from "node:fs";', "return readFileSync ? allow : log;"],
  ["P0309", "call.number == 1n", "", "return call.number == 1n ? allow : log;"],
  ["P0309", "null", "", "return call.number === null ? allow : log;"],
  ["P0309", "call?.number", "", "return call?.number === 1n ? allow : log;"],
  ["P0309", "class A {}", "class A {}", "return allow;"],
  ["P0309", "n", "const f = (n) => n;", "return f(call.number) === 1n ? allow : log;"],
  ["P0310", "call.number", "", 'return deny("EPERM", `at ${call.number}`);'],
  [
    "P0311",
    'case "write"',
    "",
    'switch (call.name) { case "read": report("x"); case "write": return log; } return allow;',
  ],
  [
    "P0314",
    "for (let i = 0n; i < 2_147_483_648n; i++) { n = i; }",
    "",
    "let n = 0n; for (let i = 0n; i < 2_147_483_648n; i++) { n = i; } return n > 1n ? allow : log;",
  ],
  ["P0315", 'deny("EPERM")', "", 'if (call.number > 1n) { deny("EPERM"); } return allow;'],
  ["P0315", "call.number > 1n", "", "call.number > 1n; return allow;"],
  ["P0316", "x", "const x = 1n;", "x = 2n; return call.number > x ? allow : log;"],
  ["P0317", "return log;", "", "return allow; return log;"],
  ["P0319", "now()", "const t = now();", "return t > 1n ? allow : log;"],
  ["P0320", "later", "const x = later;\nconst later = 1n;", "return call.number > x ? allow : log;"],
  ["P0320", "later", "const x = later;\nconst [later] = [1n];", "return call.number > x ? allow : log;"],
  // State
  ["P0401", '"one"', 'const p = perTree.phases(["one", "two"]);', 'p.enter("one"); return allow;'],
  ["P0403", "log", "const s = perTree.set({ capacity: 4n, full: log });", "s.add(1n); return allow;"],
  [
    "P0404",
    'onFork: "fresh"',
    'const r = perProcess.rate({ limit: 1n, per: "1s", onFork: "fresh" });',
    "return r.take() ? allow : log;",
  ],
  ["P0406", "1_000_000n", "const s = perTree.set({ capacity: 1_000_000n, full: trap() });", "s.add(1n); return allow;"],
  ["P0406", "1000n", "const s = perProcess.set({ capacity: 1000n, full: trap() });", "s.add(1n); return allow;"],
  [
    "P0407",
    "perThread.table({ capacity: 200n, full: trap() })",
    "const a = perThread.table({ capacity: 200n, full: trap() });\nconst b = perThread.table({ capacity: 200n, full: trap() });",
    "a.set(1n, 1n); b.set(1n, 1n); return allow;",
  ],
  [
    "P0408",
    "9_000_000_000_000n",
    'const r = perTree.rate({ limit: 9_000_000_000_000n, per: "1s" });',
    "return r.take() ? allow : log;",
  ],
  ["P0409", '"tow"', 'const p = perTree.phases(["one", "two"]);', 'return p.is("tow") ? allow : log;'],
  ["P0409", '"tow"', 'const p = perTree.phases(["one", "two"]);', 'return p.get() === "tow" ? allow : log;'],
  [
    "P0410",
    '{ start: ["read"], read: ["write"] }',
    'const f = perTree.flow({ start: ["read"], read: ["write"] });',
    "return f.follow(call) ? allow : log;",
  ],
  // Rooms
  [
    "P0411",
    '"1h"',
    'const r = perTree.rooms({ sides: ["a", "b"], timeout: "1h", late: deny("EDEADLK") });',
    'if (call.name === "mprotect") r.enter("a"); if (call.name === "ftruncate") r.enter("b"); return allow;',
  ],
  [
    "P0412",
    '"c"',
    'const r = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });',
    'if (call.name === "mprotect") r.enter("a"); if (call.name === "ftruncate") r.enter("c"); return allow;',
  ],
  [
    "P0413",
    "log",
    'const r = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: log });',
    'if (call.name === "mprotect") r.enter("a"); if (call.name === "ftruncate") r.enter("b"); return allow;',
  ],
  [
    "P0416",
    'r4.enter("a")',
    [0, 1, 2, 3, 4]
      .map(
        (n) => `const r${n} = perTree.rooms({ sides: ["a"], exclusive: ["a"], timeout: "1s", late: deny("EDEADLK") });`,
      )
      .join(" "),
    `if (call.name === "mprotect") { ${[0, 1, 2, 3, 4].map((n) => `r${n}.enter("a");`).join(" ")} } return allow;`,
  ],
  // Meaning
  ["P0506", '"exit_group"', "", 'switch (call.name) { case "exit_group": return deny("EPERM"); } return allow;'],
  ["P0507", "raw", "", 'return call.name === "openat" && call.raw.arg0 === 1n ? log : allow;'],
  [
    "P0215",
    '"*a????????????????"',
    "",
    'return call.name === "open" && call.args.path.text.matches("*a????????????????") ? log : allow;',
  ],
  ["P0601", "text", "", 'return call.name === "read" && call.args.buf.text.is("/x") ? log : allow;'],
];

describe("a diagnostic of the front end", () => {
  it.each(cases)("%s under %s", (code, under, head, body) => {
    const source = policyModule(head, body).replace("/**/ kill", "kill");
    const text = code === "P0105" && under === "kill" ? source.replace(/, kill\b|\bkill, /, "") : source;
    const { diagnostics, sources, program } = load(text);
    const printed = renderDiagnostics(diagnostics, sources);
    expect(
      diagnostics.map((one) => one.code),
      printed,
    ).toEqual([code]);
    const [only] = diagnostics;
    const span = only!.span!;
    const whole = underlined(text, span);
    expect(whole, printed).toBe(under.split("\n")[0]);
    expect(program === undefined).toBe(only!.severity === "error");
    expect(only!.message).not.toMatch(/\.$/);
  });

  it("covers every code of the front end for one module", () => {
    const seen = new Set(cases.map(([code]) => code));
    const elsewhere = new Set(["P0111", "P0112", "P0300", "P0312", "P0313", "P0318", "P0399", "P0402", "P0405"]);
    // Rooms: test/language/rejected/rooms.ts, and lint.test.ts.
    for (const code of ["P0414", "P0415", "P0417", "P0418", "P0419", "P0420", "P0421"]) elsewhere.add(code);
    const own = Object.keys(catalogue).filter((code) => /^P0[1234]/.test(code));
    expect(own.filter((code) => !seen.has(code) && !elsewhere.has(code))).toEqual([]);
  });

  it.for([
    'call.name === "exit_group"',
    'call.name === "exit" && on',
    'call.name === "mprotect" || call.name === "rt_sigreturn"',
    'call.name === "rt_sigreturn" || call.name === "mprotect"',
    "last.has(call)",
    'last.has(call) && call.name !== "mprotect"',
  ])("refuses a room for a call that no policy judges: %s", (test) => {
    const text = policyModule(
      `const on = parameter.flag("on", { default: false });
const last = calls("mprotect", "exit_group");
const r = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });`,
      `if (${test}) r.enter("a"); if (call.name === "ftruncate") r.enter("b"); return allow;`,
    );
    const { diagnostics } = load(text);
    const own = diagnostics.filter(({ code }) => code !== "P0506");
    expect(own.map((one) => [one.code, underlined(text, one.span!)])).toEqual([["P0421", 'r.enter("a")']]);
  });

  it.for(['call.name !== "exit_group"', "!last.has(call)", 'last.has(call) && call.name !== "exit_group"'])(
    "accepts a room for what is left without them: %s",
    (test) => {
      const text = policyModule(
        `const last = calls("mprotect", "exit_group");
const r = perTree.rooms({ sides: ["a", "b"], timeout: "1s", late: deny("EDEADLK") });`,
        `if (call.name === "exit_group") return allow;
if (calls("mprotect", "munmap").has(call) && ${test}) r.enter("a");
if (call.name === "ftruncate") r.enter("b");
return allow;`,
      );
      expect(load(text).diagnostics.filter(({ code }) => code === "P0421")).toEqual([]);
    },
  );

  it("names a call that the architecture lacks, and ignores it", () => {
    const text = policyModule(
      "",
      'switch (call.name) { case "open": return deny("EPERM"); case "openat": return log; } return allow;',
    );
    const { diagnostics, program } = load(text, "aarch64");
    expect(diagnostics.map((one) => [one.code, underlined(text, one.span!)])).toEqual([["P0505", '"open"']]);
    expect(program!.verdicts.filter((one) => one.action === "deny")).toEqual([]);
    expect(load(text, "x86_64").diagnostics).toEqual([]);
  });

  it("reports errors of parameters", () => {
    const text = policyModule(
      'const most = parameter.integer("most", { default: 3n, from: 1n, to: 9n });\nconst on = parameter.flag("on", { default: true });',
      "return on && call.number > most ? log : allow;",
    );
    const codes = (...set: [string, string][]) => load(text, "x86_64", new Map(set)).diagnostics.map((one) => one.code);
    expect(codes()).toEqual([]);
    expect(codes(["most", "9"], ["on", "false"])).toEqual([]);
    expect(codes(["most", "10"])).toEqual(["P0111"]);
    expect(codes(["most", "x"])).toEqual(["P0111"]);
    expect(codes(["on", "yes"])).toEqual(["P0111"]);
    expect(codes(["mots", "3"])).toEqual(["P0112"]);
  });

  it("reports syntax errors at their place", () => {
    const text = 'const é = "漢字"; const = 3;';
    const { diagnostics } = load(text);
    expect(diagnostics.map((one) => [one.code, underlined(text, one.span!)])).toEqual([["P0300", "="]]);
  });

  it("requires a policy", () => {
    for (const text of ["", "export const x = 1n;\n", 'import { allow } from "portcullis";\nexport default allow;\n']) {
      expect(load(text).diagnostics.map((one) => one.code)).toEqual(["P0312"]);
    }
  });

  it("collects errors, one per cause", () => {
    const text = policyModule(
      'function wrong(n: bigint): boolean { return n + call2 > 5n; }\nconst bad = calls("opne");',
      'if (bad.has(call)) return log; const x = nothing + 1n; if (x > 5n || wrong(1n) || wrong(2n)) return deny("EPREM"); return allow;',
    );
    expect(load(text).diagnostics.map((one) => [one.code, underlined(text, one.span!)])).toEqual([
      ["P0105", "call2"],
      ["P0101", '"opne"'],
      ["P0105", "nothing"],
      ["P0103", '"EPREM"'],
    ]);
  });

  it("checks functions that are never called", () => {
    const text = policyModule(
      'export function helper(one: Call, n: bigint): Verdict { if (one.name === "raed") return log; return n > 3 ? allow : log; }',
      "return allow;",
    );
    expect(load(text).diagnostics.map((one) => one.code)).toEqual(["P0101", "P0201"]);
  });
});
