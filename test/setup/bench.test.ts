/** `npm run bench -- NAME` works without a prior build: it builds the programs that it measures. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { expect, it } from "vitest";

const programs = readdirSync("bench/reference")
  .filter((file) => file.endsWith(".c"))
  .map((file) => `build/bench/${basename(file, ".c")}`);

it("a benchmark builds its missing programs", () => {
  for (const program of programs) rmSync(program, { force: true });
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;
  const ran = spawnSync(process.execPath, ["tools/bench.mjs", "static-size", "--json"], { encoding: "utf8", env });
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  const rows = ran.stdout.trim().split("\n");
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(JSON.parse(row)).toMatchObject({ bench: "static-size" });
  expect(programs.filter((program) => !existsSync(program))).toEqual([]);
});
