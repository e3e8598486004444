import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveCommand, StartError } from "./command.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-command-"));
  for (const one of ["a", "b", "b/folder"]) mkdirSync(join(folder, one));
  writeFileSync(join(folder, "a/plain"), "");
  writeFileSync(join(folder, "b/tool"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(folder, "b/plain"), "#!/bin/sh\n", { mode: 0o755 });
  chmodSync(join(folder, "a/plain"), 0o644);
});
afterAll(() => rmSync(folder, { recursive: true }));

const status = (name: string, path?: string): number => {
  try {
    resolveCommand(name, path);
  } catch (error) {
    if (error instanceof StartError) return error.status;
  }
  return 0;
};

describe("the file of a command", () => {
  test("is the first in PATH that can be executed", () => {
    const path = `${folder}/none:${folder}/a:${folder}/b`;
    expect(resolveCommand("tool", path)).toBe(`${folder}/b/tool`);
    expect(resolveCommand("plain", path)).toBe(`${folder}/b/plain`);
  });

  test("with a slash is a path", () => {
    expect(resolveCommand(`${folder}/b/tool`, "")).toBe(`${folder}/b/tool`);
  });

  test("127: there is none; 126: there is one that cannot be executed", () => {
    expect(status("missing", `${folder}/a`)).toBe(127);
    expect(status("", `${folder}/a`)).toBe(127);
    expect(status("plain", `${folder}/a:${folder}/none`)).toBe(126);
    expect(status("folder", `${folder}/b`)).toBe(126);
    expect(status(`${folder}/none`)).toBe(127);
    expect(status(`${folder}/a/plain/below`)).toBe(127);
  });

  test("an empty folder in PATH is the working directory", () => {
    expect(resolveCommand("bin/portcullis", ":")).toBe("bin/portcullis");
    expect(status("no-such-file-here", ":")).toBe(127);
  });
});
