/** Tests the paper's workflow in the machine: a filter in C, compiled by clang, loaded by libbpf of the same tree. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
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

const users = [
  ["root", 0],
  ["a user without privileges", 65534],
] as const;

it("builds with clang and libbpf, and limits executions, as each user", {
  timeout: patience.machineTest,
}, async (context) => {
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
  const runs = [
    ["1", "/bin/echo", "one"],
    ["1", "/bin/sh", "-c", "exec /bin/echo two"],
    ["3", "/bin/sh", "-c", "/bin/echo a; /bin/echo b; /bin/echo c; echo done"],
  ];
  const outcomes = await eachInMachine(
    { kernel: "patched" },
    users.flatMap(([, uid]) => runs.map((words) => ({ uid, words: [join(folder, "exec_limit"), ...words] }))),
  );
  for (const [index, [who]] of users.entries()) {
    const [one, again, some] = outcomes.slice(index * runs.length);
    expect(one, who).toMatchObject({ status: 0, stdout: "one\n", stderr: "" });
    expect(again, who).toMatchObject({ status: 126, stdout: "" });
    expect(again?.stderr, who).toMatch(/exec_limit: pid \d+: execution 2 denied/);
    expect(some, who).toMatchObject({ status: 0, stdout: "a\nb\ndone\n" });
    expect(some?.stderr, who).toMatch(/exec_limit: pid \d+: execution 4 denied/);
  }
});
