/** Functions of native/ that need no kernel, no process and no JavaScript: the checks of unit/, with the sanitizers. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { patience } from "../support/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-units-"));
const program = join(folder, "units");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  const sources = readdirSync("test/native/unit")
    .filter((name) => name.endsWith(".c"))
    .map((name) => join("test/native/unit", name));
  // With the sanitizers, gcc reports variables as uninitialized that are not.
  const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized"];
  const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  const flags = ["-std=gnu11", "-O1", "-g", ...warnings, ...sanitizers, "-Inode_modules/node-api-headers/include"];
  execFileSync("gcc", [...flags, "-o", program, ...sources], { stdio: "inherit" });
});

it("the functions of native/ pass their checks", () => {
  const { status, stdout, stderr } = spawnSync(program, { encoding: "utf8", timeout: patience.command });
  expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: "", stdout: expect.stringMatching(/^0 of \d+ /) });
});
