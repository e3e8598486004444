/** Tests imports: the importable modules, the order of evaluation, and the errors. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadPolicy } from "../../src/frontend/load.ts";
import { checkProgram } from "../../src/ir/check.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-modules-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const top = 'import { allow, deny, policy } from "portcullis";\n';
const plain = `${top}export default policy((call) => (call.number > 3n ? allow : deny("EPERM")));\n`;

let count = 0;
/** Writes the modules to a new folder and loads main.ts. */
function load(files: Readonly<Record<string, string>>) {
  const own = join(folder, String(count++));
  for (const [name, text] of Object.entries(files)) {
    const path = join(own, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
  const loaded = loadPolicy(join(own, "main.ts"), { architecture: "x86_64" });
  if (loaded.program !== undefined) expect(checkProgram(loaded.program)).toEqual([]);
  return { ...loaded, codes: loaded.diagnostics.map((one) => one.code), own };
}

describe("modules", () => {
  it("import constants, functions, types and policies, also re-exported ones", () => {
    const { codes, program, files } = load({
      "main.ts": `${top}import base, { limit as most, type Options } from "./lib/base.ts";
import type { Other } from "./lib/other.ts";
export { limit } from "./lib/base.ts";
function f(o: Options, p: Other): boolean { return o.on && p.n > most; }
export default policy({ extends: [base] }, (call) => (f({ on: true }, { n: call.number }) ? allow : deny("EPERM")));`,
      "lib/base.ts": `${top}export * from "./other.ts";
export interface Options { readonly on: boolean }
export default policy((call) => (call.number === 9n ? deny("EIO") : allow));`,
      "lib/other.ts": "export const limit = 7n;\nexport interface Other { readonly n: bigint }\n",
    });
    expect(codes).toEqual([]);
    expect(program!.files).toHaveLength(3);
    expect(files.map((file) => file.path.split("/").at(-1))).toEqual(["main.ts", "base.ts", "other.ts"]);
    expect(files.every((file) => /^[\da-f]{64}$/.test(file.hash))).toBe(true);
  });

  it("export each name once, and only declared ones", () => {
    const policyOf = (verdict: string) => `policy(() => ${verdict})`;
    const twice = [
      `export default ${policyOf("allow")};\nexport default ${policyOf('deny("EPERM")')};`,
      `const p = ${policyOf("allow")};\nexport { p as default };\nexport default ${policyOf('deny("EPERM")')};`,
      `export const a = 1n;\nexport { a };\nexport default ${policyOf("allow")};`,
      `const a = 1n;\nconst b = 2n;\nexport { a as c };\nexport { b as c };\nexport default ${policyOf("allow")};`,
      `export { limit };\nexport const limit = 1n;\nexport default ${policyOf("allow")};`,
    ];
    for (const text of twice) expect(load({ "main.ts": top + text }).codes, text).toEqual(["P0109"]);
    const undeclared = load({
      "main.ts": `${top}import { missing } from "./lib.ts";\nexport default policy(() => missing);`,
      "lib.ts": "export { missing };\n",
    });
    expect(undeclared.codes).toEqual(["P0105"]);
    const overridden = load({
      "main.ts": `${top}import { limit } from "./lib.ts";\nexport default policy((call) => (call.number > limit ? allow : deny("EPERM")));`,
      "lib.ts":
        'import type { Policy } from "portcullis";\nexport * from "./other.ts";\nconst limit = 5n;\nexport { limit, type Policy };\n',
      "other.ts": "export const limit = 7n;\n",
    });
    expect(overridden.codes).toEqual([]);
  });

  it("export their policy by default in each form", () => {
    const named = `${top}const p = policy((call) => (call.number > 3n ? allow : deny("EPERM")));\nexport { p as default };\n`;
    const again = 'export { default } from "./lib.ts";\n';
    for (const files of [
      { "main.ts": named },
      { "main.ts": again, "lib.ts": named },
      { "main.ts": again, "lib.ts": plain },
      { "main.ts": 'export { p as default } from "./lib.ts";\n', "lib.ts": `${named}export { p };\n` },
      { "main.ts": `${top}import p from "./lib.ts";\nexport { p as default };\n`, "lib.ts": again, "other.ts": plain },
    ]) {
      const other = files["lib.ts"] === again ? { ...files, "lib.ts": again.replace("lib", "other") } : files;
      const { codes, program } = load(other);
      expect(codes).toEqual([]);
      expect(program!.verdicts.some((one) => one.action === "deny")).toBe(true);
    }
    expect(load({ "main.ts": `${top}const n = 1n;\nexport { n as default };\n` }).codes).toEqual(["P0312"]);
    expect(load({ "main.ts": "type T = bigint;\nexport { type T as default };\n" }).codes).toEqual(["P0312"]);
    expect(load({ "main.ts": "export { n as default };\n" }).codes).toEqual(["P0105"]);
  });

  it("import the package's own policies", () => {
    const { codes, program } = load({
      "main.ts": `${top}import once from "portcullis/policies/exec-once.ts";\nexport default policy({ extends: [once] }, () => allow);`,
    });
    expect(codes).toEqual([]);
    expect(program!.verdicts.some((one) => one.action === "deny")).toBe(true);
    const escaping = load({
      "main.ts": `${top}import once from "portcullis/policies/../../../etc/passwd.ts";\nexport default policy({ extends: [once] }, () => allow);`,
    });
    expect(escaping.codes).toEqual(["P0107"]);
  });

  it("that import each other's values are a cycle; cyclic type imports are allowed", () => {
    const { codes } = load({
      "main.ts": `${top}import { a } from "./a.ts";\nexport default policy((call) => (call.number > a ? allow : deny("EPERM")));`,
      "a.ts": 'import { b } from "./b.ts";\nexport const a = b;\n',
      "b.ts": 'import { a } from "./a.ts";\nexport const b = a;\n',
    });
    expect(codes).toEqual(["P0313"]);
    const types = load({
      "main.ts": `${top}import { a } from "./a.ts";\nexport default policy((call) => (call.number > a ? allow : deny("EPERM")));`,
      "a.ts": 'import type { B } from "./b.ts";\nexport const a = 3n;\nexport interface A { readonly b: B }\n',
      "b.ts":
        'import type { A } from "./a.ts";\nexport interface B { readonly n: bigint }\nexport type Two = readonly [A, B];\n',
    });
    expect(types.codes).toEqual([]);
    expect(load({ "main.ts": 'import x from "./main.ts";\nexport default x;\n' }).codes).toEqual(["P0313"]);
  });

  it("share the state of an imported module, but not that of a function's calls", () => {
    const { program, codes } = load({
      "main.ts": `import { allow, deny, policy } from "portcullis";
import { make, shared } from "./make.ts";
export default policy({ extends: [make(1n), make(2n)] }, () => (shared.get() > 3n ? deny("EPERM") : allow));`,
      "make.ts": `import { allow, type Policy, perTree, policy, trap } from "portcullis";
export const shared = perTree.counter();
export function make(by: bigint): Policy { const own = perTree.counter(); return policy(() => { shared.add(by); return own.add() > 5n ? trap() : allow; }); }`,
    });
    expect(codes).toEqual([]);
    expect(program!.cells.map((cell) => cell.name)).toEqual(["shared", "own", "own#2"]);
  });

  it.each([
    ["missing", "P0107", () => undefined],
    ["a directory", "P0902", (path: string) => mkdirSync(path, { recursive: true })],
    ["a fifo", "P0902", (path: string) => execFileSync("mkfifo", [path])],
    ["not UTF-8", "P0903", (path: string) => writeFileSync(path, Buffer.from([0x63, 0xff, 0xfe, 0x00]))],
    ["huge", "P0904", (path: string) => writeFileSync(path, Buffer.alloc(5 * 1024 * 1024, 0x20))],
    ["a device", "P0902", (path: string) => symlinkSync("/dev/zero", path)],
    ["a loop of links", "P0901", (path: string) => symlinkSync(path, path)],
    ["nothing but zeros", "P0300", (path: string) => writeFileSync(path, Buffer.alloc(1000))],
  ] as const)("a file that is %s is %s, as an import and by itself", (_, code, make) => {
    const own = join(folder, String(count++));
    mkdirSync(own);
    const path = join(own, "it.ts");
    make(path);
    writeFileSync(join(own, "main.ts"), `import { x } from "./it.ts";\n${plain.replace("3n", "x")}`);
    const imported = loadPolicy(join(own, "main.ts"), { architecture: "x86_64" });
    expect(imported.diagnostics.map((one) => one.code)).toEqual([code]);
    expect(imported.diagnostics[0]!.span).toBeDefined();
    const alone = loadPolicy(path, { architecture: "x86_64" });
    expect(alone.diagnostics.map((one) => one.code)).toEqual([code === "P0107" ? "P0901" : code]);
    expect(alone.program).toBeUndefined();
  });

  it.each([
    ['import { readFileSync } from "fs";', "P0308"],
    ['import x from "/etc/passwd";', "P0308"],
    ['import x from "https://example.org/x.ts";', "P0308"],
    ['import * as x from "./x.ts";', "P0107"],
    ['import x from "./x.json";', "P0308"],
    ['import { calls as x } from "portcullis/testing";', "P0308"],
    ['const x = import("./x.ts");', "P0309"],
    ['import * as x from "portcullis";', "P0309"],
  ])("%s is %s", (line, code) => {
    expect(load({ "main.ts": `${line}\n${plain}` }).codes).toEqual([code]);
  });

  it("have limits: many imports, deep imports", () => {
    const chain = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [
        `m${index}.ts`,
        `import { x } from "./m${index + 1}.ts";\nexport { x };\n`,
      ]),
    );
    const { codes } = load({ ...chain, "main.ts": `import { x } from "./m0.ts";\n${plain.replace("3n", "x")}` });
    expect(codes).toEqual(["P0314"]);
  });
});
