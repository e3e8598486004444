/** The static bound of small programs and of installed ones: it has what they do, and damaged files are refused. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostArchitecture } from "../../abi/architecture.ts";
import { callByNumber } from "../../abi/calls.ts";
import { SeededChoices } from "../../ir/testing/choices.ts";
import { readStrace } from "../../traces/formats/strace.ts";
import { loadDisassembler } from "./disassembler.ts";
import { ElfError, ElfImage } from "./image.ts";
import { findStaticBound } from "./static-bound.ts";

const program = `
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static long raw(long number) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
  return result;
}
__attribute__((noinline)) static long passed(long unused, long number) { (void)unused; return raw(number); }
int main(int argc, char **argv) {
  if (argc > 7) raw(SYS_getsid);
  if (argc > 8) passed(1, SYS_sync);
  if (argc > 9) syscall(SYS_vhangup);
  if (argc > 1) return (int)COMPUTED;
  return 0;
}
`;

const reason = hostArchitecture() === "x86_64" ? undefined : "the bound is for x86-64";

const crossCompiler = "aarch64-linux-gnu-gcc";
const noCross = spawnSync(crossCompiler, ["--version"]).error === undefined ? undefined : `${crossCompiler} is missing`;

/** The same for arm64. */
const armProgram = program
  .replace("long result;", 'register long x8 __asm__("x8") = number, result __asm__("x0") = 0;')
  .replace(/__asm__ volatile\(.*\n/, '__asm__ volatile("svc #0" : "+r"(result) : "r"(x8) : "memory");\n');

describe("a static bound", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "portcullis-elf-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function compiled(name: string, computed: string, flags: readonly string[] = []): string {
    return compiledBy("cc", program, name, computed, flags);
  }

  function compiledBy(compiler: string, text: string, name: string, computed: string, flags: readonly string[]) {
    const [source, file] = [join(folder, `${name}.c`), join(folder, name)];
    writeFileSync(source, text.replace("COMPUTED", computed));
    execFileSync(compiler, ["-O1", ...flags, "-o", file, source]);
    return file;
  }

  async function boundOf(file: string) {
    const disassembler = await loadDisassembler();
    return findStaticBound(file, disassembler!);
  }

  it.for([["dynamic"], ["static", "-static"], ["stripped", "-s"]])(
    "has constants in the code, in a parameter, and of syscall() (%s)",
    async ([name = "", ...flags], context) => {
      if (reason !== undefined) context.skip(reason);
      const plain = await boundOf(compiled(`${name}-plain`, "0", flags));
      expect(plain.calls).toEqual(expect.arrayContaining(["getsid", "sync", "vhangup", "exit_group"]));
      expect(plain.calls).not.toContain("reboot");
      const computed = await boundOf(compiled(`${name}-computed`, "raw(atoi(argv[1]))", flags));
      expect(computed.unresolved.length).toBe(plain.unresolved.length + 1);
    },
  );

  it.for([
    ["dynamic"],
    ["unoptimised", "-O0"],
    ["static", "-static"],
    ["stripped", "-s"],
    ["protected", "-mbranch-protection=standard"],
  ])("has the same on arm64 (%s)", async ([name = "", ...flags], context) => {
    if (noCross !== undefined) context.skip(noCross);
    const made = (computed: string) =>
      compiledBy(crossCompiler, armProgram, `${name}-arm-${computed.length}`, computed, flags);
    const plain = await boundOf(made("0"));
    expect(plain).toMatchObject({ architecture: "aarch64", missing: [] });
    expect(plain.calls).toEqual(expect.arrayContaining(["getsid", "sync", "vhangup", "exit_group"]));
    for (const absent of ["reboot", "init_module", "open"]) expect(plain.calls).not.toContain(absent);
    // The number of the C library's set*id for all threads is in memory.
    expect(plain.unresolved.length).toBeLessThanOrEqual(2);
    const computed = await boundOf(made("raw(atoi(argv[1]))"));
    expect(computed.unresolved.length).toBe(plain.unresolved.length + 1);
  });

  it("has what the C library's functions for calls make on arm64, and no more", async (context) => {
    if (noCross !== undefined) context.skip(noCross);
    const arm = (name: string, body: string) =>
      compiledBy(
        crossCompiler,
        `#include <sys/mount.h>\n#include <sys/timerfd.h>\n#include <unistd.h>\nint main(void) { ${body} return 0; }\n`,
        name,
        "",
        [],
      );
    const without = await boundOf(arm("without", ""));
    for (const [call, body] of [
      ["umount2", 'umount2("/", 0);'],
      ["timerfd_create", "timerfd_create(0, 0);"],
      ["acct", "acct(0);"],
      ["vhangup", "vhangup();"],
    ] as const) {
      expect(without.calls).not.toContain(call);
      const more = (await boundOf(arm(call, body))).calls.filter((one) => !without.calls.includes(one));
      expect(more).toEqual([call]);
    }
  });

  it.for([
    ["x86-64", "cc", reason],
    ["arm64", crossCompiler, noCross],
  ] as const)("counts the calls that make memory executable on %s", async ([name, compiler, missing], context) => {
    if (missing !== undefined) context.skip(missing);
    const text = (body: string) =>
      `#define _GNU_SOURCE\n#include <sys/mman.h>\nint main(int argc, char **argv) { (void)argv; ${body} return 0; }\n`;
    const counted = async (of: string, body: string) => {
      const file = compiledBy(compiler, text(body), `${of}-${name}`, "", []);
      const { executable } = await boundOf(file);
      expect(executable.every((place) => place.startsWith(`${file}+0x`))).toBe(true);
      return executable.length;
    };
    const map = (protection: string) => `mmap(0, 4096, ${protection}, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);`;
    expect(await counted("data", map("PROT_READ | PROT_WRITE"))).toBe(0);
    expect(await counted("code", map("PROT_READ | PROT_EXEC"))).toBe(1);
    expect(await counted("later", "mprotect(&main, 4096, PROT_EXEC); mprotect(&main, 4096, PROT_READ);")).toBe(1);
    expect(await counted("computed", map("argc"))).toBe(1);
  });

  it("refuses a module for another architecture", async (context) => {
    if (reason !== undefined || noCross !== undefined) context.skip(reason ?? noCross!);
    const file = compiledBy(crossCompiler, armProgram, "foreign", "0", []);
    const disassembler = (await loadDisassembler())!;
    expect(() => findStaticBound("/usr/bin/true", disassembler, [file])).toThrow("is for aarch64");
  });

  it("has the calls of a module that the program loads", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const [source, module] = [join(folder, "module.c"), join(folder, "module.so")];
    writeFileSync(
      source,
      "#include <unistd.h>\nstatic void flush(void) { sync(); }\nvoid (*hooks[])(void) = {flush};\n",
    );
    execFileSync("cc", ["-shared", "-fPIC", "-o", module, source]);
    const disassembler = (await loadDisassembler())!;
    expect(findStaticBound("/usr/bin/true", disassembler).calls).not.toContain("sync");
    const { calls, files } = findStaticBound("/usr/bin/true", disassembler, [module]);
    expect(calls).toContain("sync");
    expect(files).toContain(module);
  });

  it.for(["true", "ls", "env"])("has every call that %s makes", async (name, context) => {
    if (reason !== undefined) context.skip(reason);
    const file = `/usr/bin/${name}`;
    const trace = join(folder, `${name}.strace`);
    const ran = spawnSync("strace", ["-f", "-n", "-e", "raw=all", "-o", trace, file], { encoding: "utf8" });
    if (ran.error !== undefined || ran.status !== 0) context.skip("strace cannot trace here");
    const [run] = readStrace(readFileSync(trace, "utf8"), trace, "x86_64").runs;
    const { calls } = await boundOf(file);
    for (const event of run!.events) {
      if (event.kind === "call") expect(calls).toContain(callByNumber("x86_64", event.number)!.name);
    }
  });

  it("refuses what is not an ELF file, or is damaged", (context) => {
    if (reason !== undefined) context.skip(reason);
    expect(() => new ElfImage(Buffer.from("#!/bin/sh\n"), "a")).toThrow(ElfError);
    const arm = noCross === undefined ? compiledBy(crossCompiler, armProgram, "damaged-arm", "0", []) : undefined;
    const files = [compiled("damaged", "0"), ...(arm === undefined ? [] : [arm])].map((file) => readFileSync(file));
    const choices = new SeededChoices(1);
    for (let run = 0; run < 400; run++) {
      const whole = files[run % files.length]!;
      const bytes = Buffer.from(whole.subarray(0, run % 3 === 0 ? choices.below(whole.length) : whole.length));
      for (let change = 0; change < 1 + choices.below(30) && bytes.length > 0; change++) {
        bytes[choices.below(run % 2 === 0 ? Math.min(1024, bytes.length) : bytes.length)] = choices.below(256);
      }
      try {
        new ElfImage(bytes, "damaged");
      } catch (error) {
        expect(error, `run ${run}`).toBeInstanceOf(ElfError);
      }
    }
  });
});
