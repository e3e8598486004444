/**
 * Measures requests per second of nginx (one worker) and of redis at a Unix socket while their calls are recorded, against
 * `strace -f` in the same run; the processor time that the recorder itself takes for a request; and the size of the
 * recording. The load generator has the other core, which it shares with the recorders.
 *
 * Then busy processes make calls as fast as they can: how many more they would make without a recorder, and how many of
 * their calls are lost; the count of these is checked.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SeenCall, TraceAssembler } from "../src/observe/record/assembler.ts";
import { CallCensus } from "../src/observe/record/census.ts";
import type { RecorderName } from "../src/observe/record/recorder.ts";
import { recorders } from "../src/observe/record/session/registry.ts";
import { amount } from "./support/amount.ts";
import { removeWithUs } from "./support/end-with-us.ts";
import { startNginx } from "./support/nginx-server.ts";
import { median, pairs, print } from "./support/pairs.ts";
import { startRedis } from "./support/redis-server.ts";
import type { Server } from "./support/server.ts";
import { traceTexts } from "./support/trace-texts.ts";

const bench = "record";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-record-"));
removeWithUs(folder);

const starts = { nginx: startNginx, redis: startRedis };
type Name = keyof typeof starts;
const names = Object.keys(starts) as readonly Name[];

/** The size of the file divided by the number of recorded calls. */
function bytesPerCall(file: string): number {
  let calls = 0;
  for (const text of traceTexts(file)) calls += text.split('"kind":"call"').length - 1;
  return statSync(file).size / calls;
}

/** The rows of one server, recorded in different ways, against one under strace and one without a recorder. */
async function served(name: Name, wanted: readonly Way[]): Promise<void> {
  const plain = await starts[name]([]);
  try {
    const strace = await starts[name](["strace", "-f", "-o", join(folder, "strace")]);
    try {
      for (const way of wanted) await row(name, way, strace, plain);
    } finally {
      await strace.stop();
    }
  } finally {
    await plain.stop();
  }
}

async function row(server: Name, { recorder, options, limits }: Way, strace: Server, plain: Server): Promise<void> {
  const way = [recorder, ...options].join(" ");
  const name = `${server}, ${way}`;
  const file = join(folder, `${server} ${way}.trace`);
  const words = ["bin/portcullis", "record", "-q", "--recorder", recorder, ...options, "-o", file, "--"];
  const recorded = await starts[server](words);
  try {
    const result = await pairs(amount(7, 1), recorded.requestsPerSecond, strace.requestsPerSecond);
    const limit = limits[server];
    const context = limit === undefined ? { informative: true as const } : { limit };
    print({ bench, case: `${name}, against strace -f`, unit: "requests/s", ...result, ...context });
    const share = await pairs(amount(5, 1), recorded.requestsPerSecond, plain.requestsPerSecond);
    print({ bench, case: `${name}, against none`, unit: "requests/s", ...share, informative: true });
    if (hasProcessorTimes) {
      const spent = await pairs(
        amount(5, 1),
        () => recorderTime(recorded),
        () => recorderTime(strace),
      );
      const unit = "µs of the recorder/request";
      print({ bench, case: `${name}, against strace -f`, unit, ...spent, informative: true });
    }
  } finally {
    await recorded.stop();
  }
  print({ bench, case: `${name}, on disk`, unit: "bytes/call", ours: bytesPerCall(file), limit: "≤ 12" });
}

/** The kernels of the tests have no CONFIG_SCHED_INFO. */
const hasProcessorTimes = existsSync("/proc/self/schedstat");

/** Microseconds that strace, or the process of Node under the launcher, is on a processor for one request. */
function recorderTime(server: Server): number {
  const { pid } = server.process;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
  const node = children.find((child) => readFileSync(`/proc/${child}/cmdline`, "latin1").includes("portcullis.cjs"));
  const before = processorTime(node ?? String(pid));
  const count = server.requests();
  return (processorTime(node ?? String(pid)) - before) / count;
}

/** In microseconds, of all threads. */
function processorTime(process: string): number {
  const ofTask = (task: string) =>
    Number(readFileSync(`/proc/${process}/task/${task}/schedstat`, "latin1").split(" ")[0]);
  return readdirSync(`/proc/${process}/task`).reduce((sum, task) => sum + ofTask(task), 0) / 1000;
}

/** Processes that make calls as fast as they can, which are not lost without being counted. */
async function busy(recorder: string, processes: number): Promise<void> {
  const each = Math.floor(amount(400_000, 4000) / processes);
  const made = processes * each;
  const words = ["build/native/reference/callers", String(each), String(processes)];
  const rate = (prefix: readonly string[]) => {
    const [first, ...rest] = [...prefix, ...words];
    return made / (Number(execFileSync(first!, rest, { encoding: "latin1" })) / 1e9);
  };
  const shares: number[] = [];
  const record = () => {
    const file = join(folder, `busy-${processes}-${shares.length}.trace`);
    const found = rate(["bin/portcullis", "record", "-q", "--recorder", recorder, "-o", file, "--"]);
    let seen = 0;
    let lost = 0;
    for (const text of traceTexts(file)) {
      seen += text.split('"call":"getppid"').length - 1;
      for (const [, count] of text.matchAll(/"kind":"lost","count":(\d+)/g)) lost += Number(count);
    }
    if (seen > made * 2 || seen + lost < made) throw new Error(`${made} calls, ${seen} seen, ${lost} lost: ${file}`);
    shares.push((100 * lost) / (seen + lost));
    rmSync(file);
    return found;
  };
  const name = `${recorder}, ${processes} busy processes`;
  const result = await pairs(amount(5, 1), record, () => rate([]));
  print({ bench, case: `${name}, against none`, unit: "calls/s", ...result, informative: true });
  print({ bench, case: `${name}, lost`, unit: "% of the calls", ours: median(shares), informative: true });
}

/** Microseconds of this process for one line, of calls as nginx makes them. */
function lineTime(print: (call: SeenCall, index: number) => void): number {
  const registers = Uint32Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? 0x1000 * index : 0x7ffe));
  const numbers = [45, 257, 5, 17, 20, 3];
  const count = amount(600_000, 600);
  const before = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    registers[0] = index % 16;
    const memory = index % numbers.length === 1 ? '"memory":{"path":"/var/www/html/index.html"}' : undefined;
    print({ tid: 77, time: 3000 * index, number: numbers[index % numbers.length]!, registers, memory }, index);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** The assembler's time to print a call with its result, against JSON.stringify of equal data. */
async function lines(): Promise<void> {
  const result = await pairs(
    amount(5, 1),
    () => {
      const assembler = new TraceAssembler("x86_64", new CallCensus());
      return lineTime((call, index) => {
        assembler.call(call);
        assembler.returned(call.tid, call.time + 1000, 51, 0);
        if (index % 6000 === 5999) assembler.take(call.time);
      });
    },
    () =>
      lineTime(({ tid, time, registers, memory }) => {
        const shown = Array.from(registers.subarray(0, 6));
        JSON.stringify({ v: 1, kind: "call", tid, time, call: "openat", arguments: shown, memory, result: 51 });
      }),
  );
  print({ bench, case: "lines, against JSON.stringify", unit: "µs/call", ...result, informative: true });
}

async function contention(recorder: string): Promise<void> {
  for (const processes of [8, 64]) await busy(recorder, processes);
}

/** One recorder, and its required ratio to strace. */
interface Way {
  readonly recorder: RecorderName;
  readonly options: readonly string[];
  readonly limits: Readonly<Partial<Record<Name, string>>>;
}

const ways: Readonly<Record<RecorderName, Pick<Way, "limits"> & { readonly options: readonly (readonly string[])[] }>> =
  {
    notifier: { limits: { nginx: "≥ 3", redis: "≥ 3" }, options: [[]] },
    tracefs: { limits: { nginx: "≥ 10", redis: "≥ 10" }, options: [[], ["--no-memory"]] },
  };

try {
  await lines();
  const working = recorders.filter(({ probe }) => probe().works);
  const wanted = working.flatMap(({ name: recorder }) =>
    ways[recorder].options.map((options) => ({ recorder, options, limits: ways[recorder].limits })),
  );
  for (const name of names) await served(name, wanted);
  for (const { name } of working) await contention(name);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
