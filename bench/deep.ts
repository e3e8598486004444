/**
 * Measures policies that read behind pointers: first one call, against supervisors in C with the same mechanisms
 * (bench/reference/pinning.c, serving.c), an openat with a pinned path and a served one; then the start, and whole
 * programs with every path pinned, against the same without a policy; last the engine in the kernel, in instructions.
 * --only chooses: calls, threads, start, npm, kernel, make, and of its projects native, lua, zlib and the others.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { measureBuilds, measureNpm } from "./deep/programs.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { confined, duration, measured, processorTime } from "./support/confined.ts";
import { instructions, opened } from "./support/machine.ts";
import { manyPatterns } from "./support/many-patterns.ts";
import { compare, pairs, print } from "./support/pairs.ts";
import { isChosen } from "./support/whole-programs.ts";

const bench = "deep";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
const callersCache = process.env["XDG_CACHE_HOME"];
process.env["XDG_CACHE_HOME"] = join(folder, "cache");

// ── One call ────────────────────────────────────────────────────────────────────────────────────────────────────────

const calls = amount(3_000, 50);
/** Processor time is counted in hundredths of a second. */
const many = amount(10_000, 50);
const file = join(folder, "opened");
writeFileSync(file, "");
const opens = (count: number) => ["build/bench/opens", `${count}`, file];
const policy = (name: string) => `bench/policies/deep/${name}.ts`;

/** The way in which files are opened: under a policy, or under a supervisor in C. */
type Opener = (count: number) => readonly string[];
const ours =
  (name: string): Opener =>
  (count) =>
    confined(policy(name), opens(count));
const inC =
  (...words: readonly string[]): Opener =>
  (count) => [...words, ...opens(count)];

/** The supervisor opens for reading by itself (native/addon/pin/answers.c). */
const withoutPin: Opener = (count) => confined(policy("pinned"), [...opens(count), "read"]);

/** After userfaultfd(2), permitted or not, threads read the caller's memory (native/addon/pin/reads.c). */
const userfaultfd = process.arch === "x64" ? 323 : 282;
const readByThreads: Opener = (count) =>
  confined(policy("pinned"), ["perl", "-e", `syscall(${userfaultfd}, 0); exec @ARGV`, ...opens(count)]);

const each = (opener: Opener) => () => measured(opener(calls)) / calls;
/**
 * Excludes the start and the JavaScript compiler's work in it. The program makes a tenth more calls than it measures.
 */
const processor = (opener: Opener) => () => (spentOn(opener(3 * many)) - spentOn(opener(many))) / (2.2 * many);
const spentOn = (command: readonly string[]) => processorTime(() => measured(command));

/** The elapsed time, which depends on the machine's load, and the processor time, which depends on it less. */
async function against(what: string, opener: Opener, reference: Opener, limit?: string): Promise<void> {
  const unit = "ns/call";
  const row = { bench, case: what, unit, ...(limit === undefined ? {} : { limit }) };
  await compare({ ...row, count: 9, ours: each(opener), reference: each(reference) });
  const spent = await pairs(5, processor(opener), processor(reference));
  print({ bench, case: `${what}: processor time`, unit, ...spent, informative: true });
}

const what = "openat and close";

async function readsByThreads(): Promise<void> {
  const apart = await pairs(5, processor(readByThreads), processor(ours("pinned")));
  const threads = `${what}, the path pinned and read by a thread, against read by the loop: processor time`;
  print({ bench, case: threads, unit: "ns/call", informative: true, ...apart });
}

async function oneCall(): Promise<void> {
  const pinning = inC("build/bench/pinning", "--");
  await against(`${what}, the path pinned, against C that pins`, ours("pinned"), pinning, "≤ 1.3");
  await against(`${what}, served, against C that does the same`, ours("resolved"), inC("build/bench/serving"), "≤ 1.3");
  const reading = `${what} for reading, which needs no pin, against a pinned one`;
  await against(reading, withoutPin, ours("pinned"));
  const unchecked = inC("build/bench/serving", "--unchecked");
  await against(`${what}, served, against C that opens for any caller`, ours("resolved"), unchecked);
  const plain = await pairs(5, each(opens), each(pinning));
  print({ bench, case: `${what} without a filter, against C that pins`, unit: "ns/call", informative: true, ...plain });
}

// ── The start ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function starts(): Promise<void> {
  const many = join(folder, "many.ts");
  writeFileSync(many, manyPatterns(200));
  const start = (path: string) => () => duration(confined(path, ["/bin/true"]));
  start(many)();
  start(policy("pinned"))();
  await compare({
    bench,
    case: "/bin/true under 200 patterns, from the cache, against one pattern",
    unit: "ms",
    ours: start(many),
    reference: start(policy("pinned")),
  });
}

// ── The kernel's engine ─────────────────────────────────────────────────────────────────────────────────────────────

/** Counts the instructions of a call, as bench/kernel.ts does, in a machine that counts them. */
function inKernel(): void {
  // The kernels are in the caller's cache.
  if (callersCache === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = callersCache;
  const patterns = "build/bench/many-patterns.ts";
  writeFileSync(patterns, manyPatterns(20));
  const call = (name: string, ...words: readonly string[]) => ["build/bench/instructions", name, ...words];
  const under = (engine: string, path: string, command: readonly string[]) => [
    ...["bin/portcullis", "run", "-q", "--engine", engine, "-p", path, "--"],
    ...command,
  ];
  const values = instructions("patched", {
    plain: call("openat", opened),
    judged: under("seccomp-ebpf", patterns, call("openat", opened)),
    bare: call("getppid"),
    cached: ["build/bench/allow_all", ...call("getppid")],
    ebpf: under("seccomp-ebpf", patterns, call("getppid")),
    notify: under("notify", patterns, call("getppid")),
  });
  const row = { bench, unit: "instructions" };
  // The measured program also closes the file, which the filter allows by its bitmap.
  const added = values.judged - values.plain - (values.cached - values.bare);
  const set = "openat under a set of 20 patterns, over no filter";
  print({ ...row, case: `seccomp-ebpf: ${set}`, ours: added, reference: 900, ratio: added / 900, limit: "≤ 900" });
  for (const engine of ["ebpf", "notify"] as const) {
    const name = engine === "ebpf" ? "seccomp-ebpf" : engine;
    const what = `${name}: a call without a rule, against a filter that allows all`;
    print({ ...row, case: what, ours: values[engine], reference: values.cached, limit: "the same" });
  }
}

try {
  if (isChosen("calls")) await oneCall();
  if (isChosen("calls", "threads")) await readsByThreads();
  if (isChosen("start")) await starts();
  measureBuilds(folder, join(callersCache ?? join(homedir(), ".cache"), "portcullis/bench"));
  if (isChosen("npm")) measureNpm(folder);
  if (isChosen("kernel") && (!isSmoke || process.env["PORTCULLIS_FULL"] === "1")) inKernel();
} finally {
  rmSync(folder, { recursive: true });
}
