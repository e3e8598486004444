import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";

// A copy of the files that kernel/build reads, with a series of the test.
const folder = mkdtempSync(join(tmpdir(), "portcullis-kernel-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
for (const file of ["build", "config", "config.series"]) cpSync(join("kernel", file), join(folder, file));
mkdirSync(join(folder, "patches"));

const otherMachine = process.arch === "x64" ? undefined : "the kernels are built on x86-64";
const unable = existsSync("/usr/src/linux-source-6.12.tar.xz") ? otherMachine : "no linux-source-6.12";
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

  it("includes all but the selftests in the key of the kernel alone", (context) => {
    if (unable !== undefined) context.skip(unable);
    const kernelKey = (variant: string): string =>
      execFileSync(join(folder, "build"), ["--kernel-key", variant], { encoding: "utf8" });
    const of = (file: string, line: string): string =>
      `diff --git a/${file} b/${file}\n--- a/${file}\n+++ b/${file}\n@@ -1 +1,2 @@\n #\n+${line}\n`;
    const tests = "tools/testing/selftests/seccomp";
    const kernel = of("kernel/seccomp.c", "int more;");
    const both = (line: string): string => of(`${tests}/seccomp_bpf.c`, "int test;") + of("kernel/fork.c", line);
    series({ "one.patch": kernel, "two.patch": of(`${tests}/Makefile`, "test:"), "three.patch": both("int fork;") });
    const keys = ["upto-1", "upto-2", "upto-3"].map(kernelKey);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
    expect(key("upto-1")).not.toBe(key("upto-2"));
    // The same changes of the kernel, with other selftests.
    series({ "one.patch": kernel, "two.patch": both("int fork;"), "three.patch": of(`${tests}/config`, "Y") });
    expect(kernelKey("upto-2")).toBe(keys[2]);
    series({ "one.patch": kernel, "two.patch": both("int vfork;"), "three.patch": of(`${tests}/config`, "Y") });
    expect(kernelKey("upto-2")).not.toBe(keys[2]);
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

  describe("with a small source", () => {
    const home = join(folder, "home");
    const cache = join(home, "portcullis/kernel");
    const temporary = () => readdirSync(cache).filter((name) => /^(patched|unpacking)\./.test(name));
    const source = join(folder, "source/linux");
    mkdirSync(join(source, "kernel"), { recursive: true });
    writeFileSync(
      join(source, "Makefile"),
      "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nallnoconfig:\n\tcp $(KCONFIG_ALLCONFIG) obj/.config\nheaders:\n",
    );
    writeFileSync(join(source, "kernel/seccomp.c"), `${first}\n/*\n * A filter.\n */\n`);
    const archive = join(folder, "source.tar.xz");
    const env = { ...process.env, XDG_CACHE_HOME: home, LINUX_SOURCE: archive };
    const prepare = ["--prepare", "test", "upto-1", "patched"];

    it("takes the kernel of a prefix that differs only in selftests, and builds these", (context) => {
      if (otherMachine !== undefined) context.skip(otherMachine);
      const tests = "tools/testing/selftests/seccomp";
      const small = join(folder, "small/linux");
      mkdirSync(join(small, "kernel"), { recursive: true });
      mkdirSync(join(small, tests), { recursive: true });
      writeFileSync(
        join(small, "Makefile"),
        [
          "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0",
          "allnoconfig:\n\tcp $(KCONFIG_ALLCONFIG) obj/.config",
          "bzImage:\n\tmkdir -p obj/arch/x86/boot && cat kernel/seccomp.c >obj/arch/x86/boot/bzImage",
          `\techo compiled >>${join(folder, "compiled")}`,
          "headers:\n",
        ].join("\n"),
      );
      writeFileSync(join(small, "kernel/seccomp.c"), `${first}\n/*\n`);
      writeFileSync(join(small, tests, "Makefile"), "all:\n\tcp test.c $(OUTPUT)/\n");
      writeFileSync(join(small, tests, "test.c"), `${first}\n/*\n`);
      execFileSync("tar", ["-C", join(folder, "small"), "-caf", archive, "linux"]);
      const ofTest = patch(first).replaceAll("kernel/seccomp.c", `${tests}/test.c`);
      const git = (text: string, file: string): string => `diff --git a/${file} b/${file}\n${text}`;
      series({
        "one.patch": git(patch(first), "kernel/seccomp.c"),
        "two.patch": git(ofTest, `${tests}/test.c`),
        "three.patch": git(patch("/* More. */"), "kernel/seccomp.c").replace("@@ -1,2", "@@ -2,2"),
      });
      const names = ["upto-1", "upto-2", "upto-3"];
      const ran = spawnSync(join(folder, "build"), names, { encoding: "utf8", env });
      expect(ran, ran.stderr).toMatchObject({ status: 0 });
      const images = names.map((name) =>
        execFileSync(join(folder, "build"), ["--path", name], { encoding: "utf8", env }).trim(),
      );
      const read = (file: string): readonly number[] =>
        images.map((image) => readFileSync(join(image, file), "utf8").split("/* More. */").length - 1);
      expect(read("bzImage")).toEqual([1, 1, 2]);
      expect(read("selftests/test.c")).toEqual([0, 1, 1]);
      expect(readFileSync(join(folder, "compiled"), "utf8")).toBe("compiled\n".repeat(2));
    });

    it("cleans up after a build of two variants", (context) => {
      if (otherMachine !== undefined) context.skip(otherMachine);
      execFileSync("tar", ["-C", join(folder, "source"), "-caf", archive, "linux"]);
      series({ "one.patch": patch(first) });
      const ran = spawnSync(join(folder, "build"), prepare, { encoding: "utf8", env });
      expect(ran).toMatchObject({ status: 0, stdout: `${cache}/tree-test\n`.repeat(2) });
      expect(readFileSync(join(cache, "tree-test/kernel/seccomp.c"), "utf8")).toContain("More.");
      expect(temporary()).toEqual([]);
    });

    it("prints a tree with the series of this checkout, whatever another one left in it", (context) => {
      if (otherMachine !== undefined) context.skip(otherMachine);
      const tree = (): string =>
        execFileSync(join(folder, "build"), ["--tree", "patched"], { encoding: "utf8", env }).trim();
      series({ "one.patch": patch(first) });
      expect(readFileSync(join(tree(), "kernel/seccomp.c"), "utf8")).toContain("More.");
      series({});
      expect(readFileSync(join(tree(), "kernel/seccomp.c"), "utf8")).not.toContain("More.");
      series({ "one.patch": patch(first) });
      expect(readFileSync(join(tree(), "kernel/seccomp.c"), "utf8")).toContain("More.");
    });

    it("fails, and leaves the tree as it is, if the checkout has disappeared", (context) => {
      if (otherMachine !== undefined) context.skip(otherMachine);
      const empty = join(folder, "empty");
      mkdirSync(empty);
      cpSync(join(folder, "build"), join(empty, "build"));
      for (const words of [["patched"], ["--tree", "patched"]]) {
        const ran = spawnSync(join(empty, "build"), words, { encoding: "utf8", env });
        expect(ran).toMatchObject({ status: 1, stdout: "" });
        expect(ran.stderr).toContain("config or patches/series is missing");
      }
      expect(readFileSync(join(cache, "tree-patched/kernel/seccomp.c"), "utf8")).toContain("More.");
    });

    it.for(["SIGINT", "SIGTERM", "SIGHUP"] as const)("cleans up after %s", async (signal, context) => {
      if (otherMachine !== undefined) context.skip(otherMachine);
      const programs = join(folder, signal);
      mkdirSync(programs);
      // The build waits for tar until the signal. A shell that gets it before it forks would wait for tar's end.
      writeFileSync(join(programs, "tar"), '#!/bin/sh\n: >"$0.runs"\nexec sleep 600\n', { mode: 0o755 });
      rmSync(home, { recursive: true, force: true });
      writeFileSync(archive, "not unpacked");
      const path = `${programs}:${process.env["PATH"]}`;
      const options = { detached: true, stdio: "ignore", env: { ...env, PATH: path } } as const;
      const build = spawn(join(folder, "build"), prepare, options);
      const end = once(build, "exit");
      while (build.exitCode === null && !existsSync(join(programs, "tar.runs"))) await sleep(20);
      expect(temporary()).toHaveLength(1);
      process.kill(-build.pid!, signal);
      expect(await end).toEqual([{ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal], null]);
      expect(temporary()).toEqual([]);
    });
  });
});
