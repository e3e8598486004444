/** Wrong or hostile input files: each gets a clear error and status 125. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { portcullis } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-hostile-"));
const at = (name: string) => join(folder, name);
const write = (name: string, text: string | Uint8Array) => {
  writeFileSync(at(name), text);
  return at(name);
};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const head = 'import { allow, deny, perTree, policy } from "portcullis";\n';

/** 20,000 lines, each with an effect. */
function longPolicy(lines: number): string {
  const rules = Array.from(
    { length: lines - 4 },
    (_, i) =>
      `  if (call.name === "openat" && call.args.mode === ${i % 65_536}n && call.args.dirfd > ${i}n) return deny("EACCES");`,
  );
  return `${head}export default policy((call) => {\n${rules.join("\n")}\n  return allow;\n});\n`;
}

beforeAll(() => {
  mkdirSync(at("folder.ts"));
  execFileSync("mkfifo", [at("pipe.ts")]);
  symlinkSync("loop.ts", at("loop.ts"));
  symlinkSync("/dev/zero", at("endless.ts"));
  write("a.ts", 'import { b } from "./b.ts";\nexport const a = b;\nexport default a;\n');
  write("b.ts", 'import { a } from "./a.ts";\nexport const b = a;\n');
});

const refused: readonly (readonly [what: string, file: () => string, says: RegExp])[] = [
  ["a folder", () => at("folder.ts"), /director|folder/],
  ["a pipe without a writer", () => at("pipe.ts"), /pipe|fifo|regular file/],
  ["a file without an end", () => at("endless.ts"), /regular file|device/],
  ["a link to itself", () => at("loop.ts"), /loop\.ts/],
  ["nothing", () => at("absent.ts"), /does not exist/],
  ["bytes that are not text", () => write("binary.ts", Uint8Array.of(0xff, 0xfe, 0x80, 0x00, 0xc3)), /UTF-8/],
  ["an empty file", () => write("empty.ts", ""), /exports no policy/],
  ["modules that import each other", () => at("a.ts"), /import/],
  [
    "a table of a million entries",
    () =>
      write(
        "table.ts",
        `${head}const t = perTree.table({ capacity: 1_000_000n, full: deny("ENOMEM") });
         export default policy((call) => (t.has(1n) && call.name === "open" ? deny("EPERM") : allow));\n`,
      ),
    /65.?536/,
  ],
  [
    "a loop of 2^31 rounds",
    () =>
      write(
        "rounds.ts",
        `${head}const n = perTree.counter();
         export default policy((call) => { for (let i = 0n; i < 2_147_483_648n; i++) n.add(); return allow; });\n`,
      ),
    /P03\d\d/,
  ],
  ["a nest of 100,000 brackets", () => write("nest.ts", `${head}export default ${"(".repeat(100_000)}`), /error/],
  ["a profile that is an array", () => write("array.json", "[]"), /P07\d\d/],
  ["a profile cut short", () => write("short.json", '{"defaultAction": "SCMP_ACT_ALLOW", "sysc'), /P07\d\d/],
  ["a profile a million levels deep", () => write("deep.json", "[".repeat(1_000_000)), /P07\d\d/],
];

describe("hostile policies", () => {
  for (const [what, file, says] of refused) {
    it(`${what}: \`check\` and \`run\` report the error, and no command runs`, () => {
      const path = file();
      for (const words of [
        ["check", path],
        ["run", "-p", path, "--", "/bin/echo", "it ran"],
      ]) {
        const ran = portcullis(words);
        expect(ran.status, ran.stderr.slice(0, 2000)).toBe(125);
        expect(ran.stdout).toBe("");
        expect(ran.stderr).toMatch(says);
        expect(ran.stderr).not.toMatch(/^\s+at .*\.[cm]?[jt]s:\d+/m);
        expect(ran.stderr.length).toBeLessThan(20_000);
      }
    });
  }

  it("20,000 lines get a clear result", () => {
    const ran = portcullis(["check", write("long.ts", longPolicy(20_000))]);
    expect([0, 125], ran.stderr.slice(0, 2000)).toContain(ran.status);
    expect(ran.stderr + ran.stdout).not.toBe("");
    expect(ran.stderr).not.toMatch(/fault of portcullis|heap|Maximum call stack/);
  });
});
