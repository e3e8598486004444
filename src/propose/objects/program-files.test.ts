import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { programFiles } from "./program-files.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-programs-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

it("a directory is protected if root alone can make files in it and in those above it", () => {
  for (const path of ["/usr/bin", "/usr/sbin/", "/", "/usr/no-such-directory/bin"])
    expect(programFiles.isProtected(path), path).toBe(true);
  // Everyone makes files in /tmp.
  expect(programFiles.isProtected(folder)).toBe(false);
  const below = join(folder, "bin");
  mkdirSync(below);
  chmodSync(below, 0o555);
  symlinkSync("/usr/bin", join(folder, "link"));
  for (const path of [below, join(folder, "link")]) expect(programFiles.isProtected(path), path).toBe(false);
  expect(programFiles.isProtected(join(folder, "none", "bin"))).toBe(false);
  writeFileSync(join(folder, "file"), "");
  expect(programFiles.isProtected(join(folder, "file", "bin"))).toBe(false);
});

it("a file is missing if the kernel says so, and not if it cannot be looked for", () => {
  expect(programFiles.isMissing("/usr/bin/no-such-program")).toBe(true);
  expect(programFiles.isMissing("/usr/bin/env")).toBe(false);
  expect(programFiles.isMissing("/usr/bin/env/x")).toBe(false);
});
