/**
 * Measures `run` through an agent: the start of /bin/true against bubblewrap, the memory of fifty commands, a tree's calls while
 * another one calls as fast as it can, and an agent of up to a thousand trees.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { buildAgent, startAgent } from "../test/agent/agents.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { callers, confined, duration, latency, measured, underC } from "./support/confined.ts";
import { compare, median, print } from "./support/pairs.ts";

const commands = isSmoke ? 2 : 50;
const bwrap = ["bwrap", "--dev-bind", "/", "/", "/bin/true"];
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
process.env["XDG_CACHE_HOME"] = folder;
process.env["XDG_RUNTIME_DIR"] = folder;

/** KiB of the process's memory; what several processes share counts in parts. */
const memoryOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))![1]);

const childrenOf = (pid: number): readonly number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number),
  );

/** Resolves when the command runs, which prints a line. */
function started(words: readonly string[]): Promise<ChildProcess> {
  const child = spawn(words[0]!, words.slice(1), { stdio: ["pipe", "pipe", "ignore"] });
  return new Promise((resolve) => child.stdout!.once("data", () => resolve(child)));
}

/** What the command prints. */
async function output([file, ...words]: readonly string[]): Promise<string> {
  const child = spawn(file!, words, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  for await (const part of child.stdout) text += part;
  return text;
}

await buildAgent();
const agent = await startAgent(folder);
try {
  for (const policy of ["policies/exec-once.ts", "policies/children.ts"]) {
    const run = confined(policy, ["/bin/true"]);
    duration(run); // compiles the policy
    await compare({
      bench: "agent",
      case: `start of /bin/true under ${policy}, against bubblewrap`,
      unit: "ms",
      limit: "≤ 2",
      count: 31,
      ours: () => duration(run),
      reference: () => duration(bwrap),
    });
    const reading = confined(policy, ["sh", "-c", "echo ready; read line"]);
    const running = await Promise.all(Array.from({ length: commands }, () => started(reading)));
    const own = running.flatMap(({ pid }) => [pid!, ...childrenOf(pid!)]).map(memoryOf);
    const all = own.reduce((sum, one) => sum + one, memoryOf(agent.pid));
    for (const child of running) child.stdin!.end("\n");
    await Promise.all(running.map((child) => new Promise((resolve) => child.once("exit", resolve))));
    print({
      bench: "agent",
      case: `memory of a command under ${policy}, of ${commands} (front, launcher, its share of the agent)`,
      unit: "MB",
      ours: (all * 1024) / 1e6 / commands,
      limit: "≤ 8",
    });
  }
  const counting = (command: readonly string[]) => confined("bench/policies/counting.ts", command);
  const hog = callers(1_000_000_000);
  const percentiles = async (other: readonly string[], own: readonly string[]) => {
    const busy = spawn(other[0]!, other.slice(1), { stdio: "ignore", detached: true });
    await pause(200);
    const results = Array.from({ length: amount(9, 1) }, () => measured(own));
    process.kill(-busy.pid!, "SIGKILL");
    await once(busy, "exit");
    return results;
  };
  const calls = latency(amount(200_000, 200));
  measured(counting(calls)); // compiles the policy
  const [ours, theirs] = [
    await percentiles(counting(hog), counting(calls)),
    await percentiles(underC(hog), underC(calls)),
  ];
  const reference = median(theirs);
  // V8 compiles the code of an agent's thread during its first thousands of calls.
  for (const [which, time] of [
    ["the median of nine trees", median(ours)] as const,
    ["the first of them", ours[0]!] as const,
  ])
    print({
      bench: "agent",
      case: `99th percentile of a call while another tree calls, against C supervisors of their own: ${which}`,
      unit: "ns",
      ...{ ours: time, reference, ratio: time / reference, limit: "≤ 3" },
    });
  const busy = await Promise.all(Array.from({ length: 8 }, () => output(counting(callers(amount(20_000, 100))))));
  print({
    bench: "agent",
    case: "eight trees that make the same calls at the same time: the last one's time, against the first one's",
    unit: "ratio",
    ours: Math.max(...busy.map(Number)) / Math.min(...busy.map(Number)),
    informative: true,
  });
  for (const count of isSmoke ? [1] : [1, 10, 100, 1000]) {
    const idle = [];
    for (let more = count - 1; more > 0; more -= 50) {
      const some = Array.from({ length: Math.min(50, more) }, () =>
        started(counting(["sh", "-c", "echo ready; read line"])),
      );
      idle.push(...(await Promise.all(some)));
    }
    const number = amount(20_000, 100);
    const row = { bench: "agent", informative: true } as const;
    const time = measured(counting(callers(number)));
    print({ ...row, case: `calls a second of one of ${count} trees`, unit: "", ours: number / (time / 1e9) });
    const memory = (memoryOf(agent.pid) * 1024) / 1e6;
    print({
      bench: "agent",
      case: `memory of an agent of ${count} trees`,
      unit: "MB",
      ours: memory,
      limit: `≤ ${90 + 0.3 * count}`,
    });
    for (const child of idle) child.stdin!.end("\n");
    await Promise.all(idle.map((child) => child.exitCode ?? once(child, "exit")));
  }
  print({
    bench: "agent",
    case: "starts that the agent has served",
    unit: "",
    ours: agent.served(),
    informative: true,
  });
} finally {
  await agent.end();
  rmSync(folder, { recursive: true });
}
