/**
 * Policies about the memory behind pointers under seccomp-ebpf, in the machine: calls use the judged memory, which no other
 * thread can change in between.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eachInMachine, type Outcome, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";
import { compiled, portcullis } from "../support/run.ts";

const folder = resolve("build/engines/memory");
const file = (name: string) => `${folder}/${name}`;

const policies: Readonly<Record<string, string>> = {
  paths: `
  if (call.name === "openat2" || call.name === "creat") return deny("ENOSYS");
  if (call.name !== "open" && call.name !== "openat") return allow;
  return call.args.path.text.startsWith(${JSON.stringify(file("refused"))}) ? deny("EACCES") : allow;`,
  lists: `
  if (call.name === "execveat") return deny("ENOSYS");
  if (call.name !== "execve") return allow;
  return call.args.argv.startsWith(["/bin/echo", "yes"]) && !call.args.envp.has("SECRET") ? allow : deny("EPERM");`,
  bounded: `
  if (call.name === "execveat") return deny("ENOSYS");
  return call.name === "execve" && call.args.argv.includes("no") ? deny("EACCES") : allow;`,
  addresses: `
  if (call.name !== "connect") return allow;
  const { addr } = call.args;
  return addr.kind === "ip" && !(cidr("127.0.0.0/8").has(addr.address) && addr.port === 7001n) ? deny("ENETUNREACH") : allow;`,
  structures: `
  if (call.name !== "openat2") return allow;
  return call.args.how.flags.has("O_TMPFILE") ? deny("EACCES") : allow;`,
};

const settings: Readonly<Record<string, string>> = { bounded: "{ lists: { entries: 4n, bytes: 40n } }, " };

function prepare(): void {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file("allowed"), "allowed\n");
  writeFileSync(file("refused"), "refused\n");
  symlinkSync(file("refused"), file("link"));
  for (const [name, step] of Object.entries(policies)) {
    const head = 'import { allow, cidr, deny, policy } from "portcullis";\n';
    writeFileSync(file(`${name}.ts`), `${head}export default policy(${settings[name] ?? ""}(call) => {${step}\n});\n`);
    for (const target of ["seccomp", "unprivileged"]) {
      const ran = portcullis([
        "compile",
        "--target",
        target,
        "-p",
        file(`${name}.ts`),
        "-o",
        file(`${name}-${target}.pcl`),
      ]);
      if (ran.status !== 0) throw new Error(ran.stderr);
    }
  }
}

const reason = unable("patched");
const program = reason === undefined ? compiled("test/engines/memory.c", ["-static"]) : "";
const launcher = `dist/native/${process.arch}/launcher`;
const under = (bundle: string, ...command: readonly string[]) => [launcher, "run", file(`${bundle}.pcl`), ...command];
const attempts = "20000";

/** The victim's output: each thread's value is judged once, and no forbidden value is used. */
const raced = "allowed 1 denied 1 forbidden 0\n";

/** With CAP_BPF and without any capability. */
const users = {
  root: { target: "seccomp", uid: 0 },
  anybody: { target: "unprivileged", uid: 65534 },
} as const;

const commandsFor = (target: string): Readonly<Record<string, readonly string[]>> => ({
  text: under(`paths-${target}`, "/bin/cat", file("allowed"), file("refused"), file("link")),
  long: under(`paths-${target}`, "/bin/cat", `/${"a".repeat(5000)}`),
  paths: under(`paths-${target}`, program, "paths", file("allowed"), file("refused"), attempts),
  addresses: under(`addresses-${target}`, program, "addresses", "7001", "7002", attempts),
  structures: under(`structures-${target}`, program, "how", attempts),
  // /bin/echo and its NUL are 10 bytes.
  bounded: under(
    `bounded-${target}`,
    ...[
      "/bin/sh",
      "-c",
      `for last in c no "c d" ${"x".repeat(25)} ${"x".repeat(26)}; do /bin/echo a b $last; done; true`,
    ],
  ),
  lists: under(
    `lists-${target}`,
    ...["/bin/sh", "-c", "/bin/echo yes 1; /bin/echo no 2; /bin/echo yes 3; SECRET=1 /bin/echo yes 4; true"],
  ),
});

describe("memory under seccomp-ebpf", () => {
  const outcomes = new Map<string, Outcome>();

  beforeAll(async () => {
    if (reason !== undefined) return;
    prepare();
    const commands = Object.entries(users).flatMap(([who, { target, uid }]) =>
      Object.entries(commandsFor(target)).map(([name, words]) => ({ key: `${who} ${name}`, words, uid, gid: uid })),
    );
    const ran = await eachInMachine({ kernel: "patched" }, commands);
    for (const [index, { key }] of commands.entries()) outcomes.set(key, ran[index]!);
  }, patience.machineTest);

  beforeEach((context) => {
    if (reason !== undefined) context.skip(reason);
  });

  describe.each(Object.entries(users))("as %s", (who) => {
    const outcome = (name: string) => outcomes.get(`${who} ${name}`)!;

    it("judges the path that the call uses", () => {
      // A refusal by text does not follow links (P0502 says so).
      expect(outcome("text")).toMatchObject({ stdout: "allowed\nrefused\n", status: 1 });
      expect(outcome("text").stderr).toContain("Permission denied");
    });

    it("fails a path that is too long as the kernel does", () => {
      expect(outcome("long").stderr).toContain("File name too long");
    });

    it.each(["paths", "addresses", "structures"])(
      "uses %s as they were judged, although another thread changes them",
      (name) => {
        expect(outcome(name)).toMatchObject({ stdout: raced, status: 0 });
      },
    );

    it("judges a command by its argument list", () => {
      expect(outcome("lists")).toMatchObject({ stdout: "yes 1\nyes 3\n", status: 0 });
    });

    it("refuses lists beyond the policy's bounds, without a judgement", () => {
      expect(outcome("bounded")).toMatchObject({ stdout: `a b c\na b ${"x".repeat(25)}\n`, status: 0 });
      expect(outcome("bounded").stderr.match(/Argument list too long/g)).toHaveLength(2);
      expect(outcome("bounded").stderr.match(/Permission denied/g)).toHaveLength(1);
    });
  });
});
