/** A tree whose threads cannot be stopped or traced for any time, beside another tree of the same thread of the agent. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fuseDevice } from "../support/fuse.ts";
import { patience, until } from "../support/patience.ts";
import { compiled } from "../support/run.ts";
import { TestAgent } from "./agent.ts";

const program = resolve("bin/portcullis");
/** Version 1: a frozen task of version 2 stops for its tracer. */
const freezer = "/sys/fs/cgroup/freezer";
const group = join(freezer, `portcullis-${process.pid}`);

/** In some of them the caller is frozen after its call has been judged and before it is pinned. */
const rounds = 40;
/** Milliseconds. A wait for a frozen caller ends after a second. */
const hold = 900;

/** JavaScript judges each open, because the policy counts them. */
const opens = `import { allow, deny, perTree, policy } from "portcullis";
const opened = perTree.counter();
export default policy((call) => {
  if (call.name !== "openat") return allow;
  opened.add(1n);
  return call.args.path.text.is("forbidden") || opened.get() > 1_000_000_000n ? deny("EACCES") : allow;
});
`;

let agent: TestAgent;
beforeEach(async () => {
  agent = new TestAgent();
  agent.socket = join(agent.folder, "portcullis/agent.sock");
  agent.write("opens.ts", opens);
  await agent.startBy("taskset", "--cpu-list", "0"); // on one processor it has one thread
});
afterEach(() => agent.close());

const perl = (script: string) => ["perl", "-e", `$| = 1; print "ready\\n"; ${script}`];

/** A command that runs, and has written its first line. */
async function started(policy: string, ...command: readonly string[]) {
  const options = { cwd: agent.folder, env: { ...process.env, XDG_RUNTIME_DIR: agent.folder } } as const;
  const words = ["run", "-q", "-p", `policies/${policy}`, "--"];
  // From now on the cache has the policy.
  expect(spawnSync(program, [...words, "true"], { ...options, timeout: patience.command }).status).toBe(0);
  const child: ChildProcess = spawn(program, [...words, ...command], {
    ...{ ...options, stdio: ["pipe", "pipe", "inherit"] },
  });
  let lines = 0;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    lines += text.split("\n").length - 1;
  });
  await until("it runs", () => lines === 1);
  return { child, lines: () => lines };
}

/** For each line of input so many calls that JavaScript judges. */
const makes = (calls: number) => `while (<STDIN>) { mkdir 'folder' for 1..${calls}; print qq(done\\n) }`;

/** The longest time in milliseconds that ten calls of the other tree took while this one's process was frozen. */
async function longest(other: Awaited<ReturnType<typeof started>>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    writeFileSync(join(group, "freezer.state"), "FROZEN");
    const [begin, before] = [performance.now(), other.lines()];
    other.child.stdin!.write("\n");
    await until("the other tree's calls are answered", () => other.lines() > before);
    times.push(performance.now() - begin);
    writeFileSync(join(group, "freezer.state"), "THAWED");
    await pause(10);
  }
  return Math.max(...times);
}

test("a caller that is frozen before it is pinned delays no call of the other tree", async ({ skip }) => {
  if (process.getuid?.() !== 0) skip("needs root, to freeze a process");
  if (!existsSync(freezer)) skip("the system has no freezer of version 1 of control groups");
  const one = await started("opens.ts", ...perl("1 while open(F, '+<', '/dev/null')"));
  const other = await started("two-folders.ts", ...perl(makes(10)));
  const { trees } = agent.status();
  expect(trees.length).toBe(2);
  const { pid } = trees.find(({ policy }) => policy.name === "opens")!.origin;
  mkdirSync(group);
  let time = Number.POSITIVE_INFINITY;
  try {
    writeFileSync(join(group, "cgroup.procs"), `${pid}`);
    // A busy machine can be late once. After a long turn the agent gives the tree none for twenty seconds.
    for (let attempt = 0; attempt < 3 && time >= hold; attempt++) {
      if (attempt > 0) await pause(25_000);
      time = await longest(other);
    }
  } finally {
    writeFileSync(join(group, "freezer.state"), "THAWED");
    process.kill(pid!, "SIGKILL");
    other.child.stdin!.end();
    await Promise.all([one, other].map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, "close")));
    rmdirSync(group);
  }
  expect(time).toBeLessThan(hold);
});

test("beside a process in a pending execution, whose threads catch signals and fork, the other tree's calls go on", async ({
  skip,
}) => {
  const [device, mounted] = ["device", "mounted"].map((name) => join(agent.folder, name)) as [string, string];
  fuseDevice(device, skip);
  mkdirSync(mounted);
  const other = await started("two-folders.ts", ...perl(makes(5000)));
  const one = await started("two-folders.ts", resolve(compiled("test/agent/executing.c")), device, mounted);
  const judged = () => agent.status().trees.find(({ origin }) => origin.command === "executing")?.calls ?? 0;
  const early = judged();
  await until("its threads make calls", () => judged() > early + 100);
  other.child.stdin!.write("\n");
  await until("the other tree's calls are answered", () => other.lines() === 2);
  for (const { child } of [one, other]) {
    child.stdin!.end();
    await once(child, "close");
  }
  expect(one.child.exitCode).toBe(0);
});
