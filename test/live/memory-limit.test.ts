/** A tree that exhausts memory, in a control group with a limit, as `systemd-run -p MemoryMax=…` makes one. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, type TestContext, test } from "vitest";
import { patience, until } from "../support/patience.ts";

const program = resolve("bin/portcullis");
const limit = 200 << 20;

/** Of version 1 and 2: the folder of the controller, and the names of its files. */
const hierarchies = [
  { folder: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", most: "memory.max_usage_in_bytes" },
  { folder: "/sys/fs/cgroup", limit: "memory.max", most: "memory.peak" },
] as const;

/** The first word: how many processes take all the memory that they get. */
const hog = `
import os, sys
def grow():
    held = []
    while True: held.append(b"x" * (8 << 20))
children = [pid for pid in (os.fork() for _ in range(int(sys.argv[1]))) if pid > 0 or grow()]
if not children: grow()
for pid in children: print(os.waitpid(pid, 0)[1], flush=True)
`;

const policy = `import { allow, deny, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir") return allow;
  made.add();
  return made.get() > 1n ? deny("EDQUOT") : allow;
});
`;

let folder: string;
let group: { readonly path: string; readonly most: string } | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-memory-"));
  writeFileSync(join(folder, "policy.ts"), policy);
});
afterEach(async () => {
  // A process that the kernel ends belongs to the group until its memory is free, after its parent has gone, too.
  if (group !== undefined) await until("the group has no process", isEmpty);
  if (group !== undefined) rmdirSync(group.path);
  group = undefined;
  rmSync(folder, { recursive: true });
});

/** Runs a command in the group; root may make one. */
function limited({ skip }: TestContext, ...command: readonly string[]) {
  if (process.getuid?.() !== 0) skip("needs root, to make a control group");
  const one = hierarchies.find((hierarchy) => existsSync(join(hierarchy.folder, "cgroup.procs")));
  if (one === undefined) return skip("control groups are not mounted");
  const path = join(one.folder, `portcullis-${process.pid}`);
  mkdirSync(path);
  group = { path, most: join(path, one.most) };
  if (!existsSync(join(path, one.limit))) return skip("control groups have no limit of memory here");
  writeFileSync(join(path, one.limit), `${limit}`);
  const enter = `echo $$ > ${path}/cgroup.procs; exec "$@"`;
  const words = [program, "run", "--no-agent", "-p", join(folder, "policy.ts"), "--", ...command];
  const options = { encoding: "utf8", timeout: patience.command, killSignal: "SIGKILL" } as const;
  const { status, signal, stdout, stderr } = spawnSync("sh", ["-c", enter, "sh", ...words], options);
  return { status, signal, lines: stdout.split("\n").filter(Boolean), said: stderr };
}

function isEmpty(): boolean {
  return readFileSync(join(group!.path, "cgroup.procs"), "utf8") === "";
}

async function expectLimited(): Promise<void> {
  await until("the tree has ended", isEmpty);
  // The kernel charges a process that it is ending beyond the limit by some pages.
  expect(Number(readFileSync(group!.most, "utf8"))).toBeLessThanOrEqual(limit + 1024 ** 2);
}

test("the kernel ends a process that takes all memory", async (context) => {
  const { signal } = limited(context, "/usr/bin/python3", "-c", hog, "0");
  expect(signal).toBe("SIGKILL");
  await expectLimited();
});

test("the kernel ends each of several such processes, or portcullis, which says so, and nothing is allowed then", async (context) => {
  const rest = `"$@"; mkdir ${folder}/one; mkdir ${folder}/two`;
  const { status, lines, said } = limited(context, "sh", "-c", rest, "sh", "/usr/bin/python3", "-c", hog, "8");
  expect(lines).toEqual(Array.from({ length: 8 }, () => "9"));
  if (said.includes("Node was ended by signal 9")) expect(existsSync(join(folder, "one"))).toBe(false);
  else expect(existsSync(join(folder, "one"))).toBe(true);
  expect(existsSync(join(folder, "two"))).toBe(false);
  expect(status).not.toBe(0);
  await expectLimited();
});
