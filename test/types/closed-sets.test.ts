/**
 * Closed sets are closed for the compiler: a member that no code handles is a compile error at each place that must
 * handle it. Each test adds a member to one set in a copy of the sources and compares the files with errors with a golden,
 * test/goldens/closed-sets/SET.txt, which is the list of files that such an addition touches.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectGolden } from "../support/golden.ts";
import { patience } from "../support/patience.ts";

interface ClosedSet {
  readonly file: string;
  /** The text after which the member is inserted. */
  readonly after: string;
  readonly member: string;
}

/** A union of objects, which `tag` tells apart. */
const union = (file: string, type: string, tag: "is" | "kind" = "is"): ClosedSet => ({
  file,
  after: `export type ${type} =`,
  member: ` | { readonly ${tag}: "added" }`,
});

const sets: Readonly<Record<string, ClosedSet>> = {
  action: {
    file: "src/ir/verdicts.ts",
    after: "export const actions = {",
    member: ' added: { effect: "fails", text: "added", seccomp: "ADDED", oci: "SCMP_ACT_ADDED" },',
  },
  "argument-kind": union("src/abi/call.ts", "ArgumentKind"),
  pointee: union("src/abi/pointees.ts", "Pointee"),
  "call-word": { file: "src/ir/inputs.ts", after: "export const inputFacts = {", member: " added: callWord," },
  circumstance: { file: "src/ir/inputs.ts", after: "export const inputFacts = {", member: " added: id," },
  "observation-shape": union("src/ir/observation.ts", "Shape"),
  "observed-reading": union("src/ir/observation.ts", "Reading"),
  "observed-text": union("src/ir/observation.ts", "TextPart"),
  "pattern-kind": { file: "src/patterns/pattern.ts", after: "export const patternKinds = [", member: '"added", ' },
  engine: {
    file: "src/engines/registry.ts",
    after: "export const engines = [",
    member: '{ ...notifyEngine, name: "added" as const }, ',
  },
  recorder: { file: "src/observe/record/recorder.ts", after: "export type RecorderName =", member: ' "added" |' },
  "state-kind": union("src/ir/program.ts", "CellKind"),
  "state-scope": { file: "src/ir/program.ts", after: "export type Scope =", member: ' "added" |' },
  "room-scope": { file: "src/ir/program.ts", after: "export type RoomScope =", member: ' "added" |' },
  statement: { file: "src/ir/program.ts", after: "export type Statement = (", member: ' | { readonly kind: "added" }' },
  "integer-expression": union("src/ir/program.ts", "IntegerExpression", "kind"),
  "boolean-expression": union("src/ir/program.ts", "BooleanExpression", "kind"),
  "verdict-expression": union("src/ir/program.ts", "VerdictExpression", "kind"),
  "stateful-reason": {
    file: "src/analysis/decision.ts",
    after: "export type StatefulReason =",
    member: ' | { readonly because: "added" }',
  },
  refusal: { file: "src/events/record.ts", after: "export type Refusal =", member: ' | "added"' },
};

/** Files beside the sources that must handle each member of a set, and what they import. */
const members = ["bench/record.ts", "test/live/record.test.ts", "test/engines/harness.ts"] as const;
const outside = [...members, "bench/support", "test/live", "test/support", "test/kernel", "test/engines"] as const;

const compiler = resolve("node_modules/.bin/tsc");
let folder: string;

beforeAll(() => {
  mkdirSync("build", { recursive: true });
  folder = mkdtempSync(resolve("build/closed-sets-"));
  for (const path of ["src", ...outside]) cpSync(path, join(folder, path), { recursive: true });
  cpSync("package.json", join(folder, "package.json"));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  const exclude = ["src/frontend/types", "src/observe/report/page", "src/**/*.test.ts", "src/**/testing/**"];
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: resolve("tsconfig.json"), include: ["src/**/*.ts", ...members], exclude }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The files with errors. */
function errors(): string {
  const ran = spawnSync(compiler, ["-p", folder, "--pretty", "false"], {
    encoding: "utf8",
    cwd: folder,
    timeout: patience.command,
  });
  if (ran.error !== undefined) throw ran.error;
  const files = [...ran.stdout.matchAll(/^((?:src|bench|test)\/[^(]+)\(\d+,\d+\): error/gm)].map((match) => match[1]!);
  return [...new Set(files)]
    .sort()
    .map(
      (file) => `${file}
`,
    )
    .join("");
}

describe("a new member of a closed set does not compile", () => {
  for (const [name, { file, after, member }] of Object.entries(sets)) {
    it(`${name}`, () => {
      const path = join(folder, file);
      const text = readFileSync(path, "utf8");
      expect(text.split(after)).toHaveLength(2);
      writeFileSync(
        path,
        text.replace(after, () => `${after}${member}`),
      );
      try {
        const found = errors();
        expect(found).not.toBe("");
        expectGolden(`test/goldens/closed-sets/${name}.txt`, found);
      } finally {
        writeFileSync(path, text);
      }
    });
  }
});
