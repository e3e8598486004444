import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

// A copy of the files that kernel/build reads, with a series of the test.
const folder = mkdtempSync(join(tmpdir(), "portcullis-kernel-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
for (const file of ["build", "config", "config.series"]) cpSync(join("kernel", file), join(folder, file));
mkdirSync(join(folder, "patches"));

const unable =
  existsSync("/usr/src/linux-source-6.12.tar.xz") && process.arch === "x64" ? undefined : "no linux-source-6.12";
const run = (...words: string[]) => spawnSync(join(folder, "build"), words, { encoding: "utf8" });
const key = (variant: string): string => execFileSync(join(folder, "build"), ["--key", variant], { encoding: "utf8" });
const series = (patches: Readonly<Record<string, string>>): void => {
  writeFileSync(join(folder, "patches/series"), `# In order.\n${Object.keys(patches).join("\n")}\n`);
  for (const [name, text] of Object.entries(patches)) writeFileSync(join(folder, "patches", name), text);
};
const patch = (context: string): string =>
  [
    "--- a/kernel/seccomp.c",
    "+++ b/kernel/seccomp.c",
    "@@ -1,2 +1,3 @@",
    ` ${context}`,
    "+/* More. */",
    " /*",
    "",
  ].join("\n");
const first = "// SPDX-License-Identifier: GPL-2.0";

// Unpacking Debian's archive for the first time takes half a minute.
describe("kernel/build", () => {
  it("includes the patches, their order and their number in the key of a kernel, but not of the stock kernel", (context) => {
    if (unable !== undefined) context.skip(unable);
    series({ "one.patch": patch(first), "two.patch": patch("other") });
    const keys = [key("stock"), key("upto-1"), key("patched")];
    expect(new Set(keys).size).toBe(3);
    series({ "one.patch": patch(first), "two.patch": patch("another") });
    expect([key("stock"), key("upto-1")]).toEqual(keys.slice(0, 2));
    expect(key("patched")).not.toBe(keys[2]);
  });

  it("sets the series' options from the patch on that adds them", (context) => {
    if (unable !== undefined) context.skip(unable);
    const option = "--- a/arch/Kconfig\n+++ b/arch/Kconfig\n@@ -1 +1,2 @@\n #\n+config SECCOMP_FILTER_EXTENDED\n";
    series({ "one.patch": patch(first), "two.patch": option });
    const before = [key("upto-1"), key("upto-2")];
    const options = readFileSync("kernel/config.series", "utf8");
    writeFileSync(join(folder, "config.series"), `${options}# Another.\n`);
    expect(key("upto-1")).toBe(before[0]);
    expect(key("upto-2")).not.toBe(before[1]);
    writeFileSync(join(folder, "config.series"), options);
  });

  it("reports that a kernel is not built, and how to build it", (context) => {
    if (unable !== undefined) context.skip(unable);
    series({ "one.patch": patch("never built") });
    expect(run("--path", "patched")).toMatchObject({ status: 1, stdout: "" });
    expect(run("--path", "patched").stderr).toContain("patched is not built from the current sources: make kernel");
  });

  it("names the patch that does not apply, and the kernel", (context) => {
    if (unable !== undefined) context.skip(unable);
    series({ "one.patch": patch(first), "two.patch": patch("a line that is not there") });
    const ran = run("upto-2");
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/Hunk #1 FAILED/);
    expect(ran.stderr).toMatch(/two\.patch does not apply to Linux 6\.12\.\d+ /);
  });

  it("names a missing patch of the series", (context) => {
    if (unable !== undefined) context.skip(unable);
    series({ "one.patch": patch(first) });
    writeFileSync(join(folder, "patches/series"), "one.patch\nabsent.patch\n");
    const ran = run("upto-2");
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain("absent.patch");
  });

  it("rejects unknown variants", (context) => {
    if (unable !== undefined) context.skip(unable);
    series({ "one.patch": patch(first) });
    for (const variant of ["nonsense", "upto-", "upto-0", "upto-2", "upto-x"]) expect(run(variant).status).toBe(1);
  });
});
