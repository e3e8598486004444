/** Tests the paper's workflow in the machine: a filter in C, compiled by clang, loaded by libbpf of the same tree. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { eachInMachine, unable } from "./vm.ts";

/** The version in KERNEL_PACKAGES of the Makefile: `clang` may be an older release. */
const clang = "clang-19";
const folder = mkdtempSync(join(tmpdir(), "portcullis-sample-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function reason(): string | undefined {
  const cannot = unable("patched");
  if (cannot !== undefined) return cannot;
  const path = (process.env["PATH"] ?? "").split(":");
  return path.some((each) => existsSync(`${each}/${clang}`)) ? undefined : `${clang} is not installed`;
}

describe("samples/seccomp/ebpf", { timeout: patience.machineTest }, () => {
  it.for([
    ["root", 0],
    ["a user without privileges", 65534],
  ] as const)("builds with clang and libbpf, and limits executions, as %s", async ([, uid], context) => {
    const why = reason();
    if (why !== undefined) context.skip(why);
    const tree = execFileSync("kernel/build", ["--tree", "patched"], { encoding: "utf8" }).trim();
    execFileSync("chmod", ["755", folder]);
    execFileSync("make", [
      "-s",
      ...["-C", `${tree}/samples/seccomp/ebpf`],
      `CLANG=${clang}`,
      `OUTPUT=${folder}`,
      `HEADERS=${tree}/obj/usr/include`,
    ]);
    const run = (...words: string[]) => ({ uid, words: [join(folder, "exec_limit"), ...words] });
    const [one, again, some] = await eachInMachine({ kernel: "patched" }, [
      run("1", "/bin/echo", "one"),
      run("1", "/bin/sh", "-c", "exec /bin/echo two"),
      run("3", "/bin/sh", "-c", "/bin/echo a; /bin/echo b; /bin/echo c; echo done"),
    ]);
    expect(one).toMatchObject({ status: 0, stdout: "one\n", stderr: "" });
    expect(again).toMatchObject({ status: 126, stdout: "" });
    expect(again?.stderr).toMatch(/exec_limit: pid \d+: execution 2 denied/);
    expect(some).toMatchObject({ status: 0, stdout: "a\nb\ndone\n" });
    expect(some?.stderr).toMatch(/exec_limit: pid \d+: execution 4 denied/);
  });
});
