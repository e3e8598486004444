/**
 * Measures `run` through an agent: the start of /bin/true against bubblewrap, and the memory of fifty commands.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildAgent, startAgent } from "../test/agent/agents.ts";
import { isSmoke } from "./support/amount.ts";
import { confined, duration } from "./support/confined.ts";
import { compare, print } from "./support/pairs.ts";

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
