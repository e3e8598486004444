/** libseccomp's own filter for a flat profile, through libseccomp_export.c. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type ClassicInstruction, decodeInstructions } from "../../src/backend/classic/instruction.ts";
import { type ExportOptions, exportLines, type FlatProfile } from "./profile.ts";

const buildDirectory = resolve("build");

/**
 * Compiles test/classic/NAME.c into build/, unless the result is newer than the source. Tests and benchmarks run in the
 * project's directory.
 */
export function buildHelper(name: string, libraries: readonly string[]): string {
  const source = resolve("test/classic", `${name}.c`);
  const program = `${buildDirectory}/${name}`;
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(buildDirectory, { recursive: true });
  // Test files run concurrently: a test must not run a program while another one writes it.
  const fresh = `${program}.${process.pid}`;
  const flags = ["-O1", "-Wall", "-Wextra", "-Werror"];
  const result = spawnSync("cc", [...flags, "-o", fresh, source, ...libraries], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`cc ${name}.c: ${result.stderr || result.error?.message}`);
  renameSync(fresh, program);
  return program;
}

export interface LibseccompFilter {
  readonly instructions: readonly ClassicInstruction[];
  /** Calls that this libseccomp lacks; their rules are skipped. */
  readonly unknown: readonly string[];
}

export function libseccompFilter(profile: FlatProfile, options: ExportOptions = {}): LibseccompFilter {
  const program = buildHelper("libseccomp_export", ["-lseccomp"]);
  const result = spawnSync(program, { input: exportLines(profile, options), maxBuffer: 1 << 20 });
  if (result.status !== 0) throw new Error(result.stderr.toString());
  const unknown = result.stderr.toString().split("\n").filter(Boolean);
  return { instructions: decodeInstructions(result.stdout), unknown: [...new Set(unknown)] };
}
