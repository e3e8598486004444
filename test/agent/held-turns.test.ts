/** A tree whose callers do not stop when they are to be pinned, beside another tree of the same thread of the agent. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
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

async function started(policy: string, script: string) {
  const options = { cwd: agent.folder, env: { ...process.env, XDG_RUNTIME_DIR: agent.folder } } as const;
  const words = ["run", "-q", "-p", `policies/${policy}`, "--"];
  // From now on the cache has the policy.
  expect(spawnSync(program, [...words, "true"], { ...options, timeout: patience.command }).status).toBe(0);
  const child: ChildProcess = spawn(program, [...words, "perl", "-e", `$| = 1; print "ready\\n"; ${script}`], {
    ...{ ...options, stdio: ["pipe", "pipe", "inherit"] },
  });
  let lines = 0;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    lines += text.split("\n").length - 1;
  });
  await until("it runs", () => lines === 1);
  return { child, lines: () => lines };
}

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

test("it delays no call of the other tree", async ({ skip }) => {
  if (process.getuid?.() !== 0) skip("needs root, to freeze a process");
  if (!existsSync(freezer)) skip("the system has no freezer of version 1 of control groups");
  const one = await started("opens.ts", "1 while open(F, '+<', '/dev/null')");
  const other = await started("two-folders.ts", "while (<STDIN>) { mkdir 'folder' for 1..10; print qq(done\\n) }");
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
