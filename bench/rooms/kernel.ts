/** Measures calls that enter rooms in the kernel: one call in instructions, and two threads that contend, in time. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { amount } from "../support/amount.ts";
import { machineWithUs } from "../support/end-with-us.ts";
import { instructions } from "../support/machine.ts";
import { median, print } from "../support/pairs.ts";

const bench = "rooms";

export function measureKernel(): void {
  measureOne();
  measureContention();
}

function measureOne(): void {
  const getppid = ["build/bench/instructions", "getppid"];
  const under = (policy: string): string[] => [
    "bin/portcullis",
    "run",
    "-q",
    "--engine",
    "seccomp-ebpf",
    "-p",
    `bench/policies/${policy}.ts`,
    "--",
    ...getppid,
  ];
  const { none, counting, both, rooms } = instructions("patched", {
    none: getppid,
    counting: under("kernel/counting"),
    both: under("kernel/counting-room"),
    rooms: under("rooms"),
  });
  const against = (what: string, call: number) => ({
    bench,
    case: `seccomp-ebpf: ${what}, against one that is counted`,
    ours: call - none,
    reference: counting - none,
    ratio: (call - none) / (counting - none),
    unit: "instructions",
    informative: true as const,
  });
  print(against("a call that enters a room and leaves it", rooms));
  print(against("a call that is counted, enters a room and leaves it", both));
}

/**
 * The clock of a machine with two processors does not count instructions, so this function compares alternating times
 * of one run.
 */
function measureContention(): void {
  const turns = amount(3000, 50);
  const bundles = ["rooms", "counting-two"].map((name) => {
    const bundle = resolve(`build/bench/${name}.pcl`);
    mkdirSync("build/bench", { recursive: true });
    execFileSync("bin/portcullis", ["compile", "-p", `bench/policies/${name}.ts`, "-o", bundle], { stdio: "pipe" });
    return bundle;
  });
  const script = ["sh", "bench/rooms/contending.sh", `${turns}`, `${amount(31, 1)}`, ...bundles];
  const words = ["run", "--kernel", "patched", "--timeout", "3600", "--", ...script];
  const [vm, ...tied] = machineWithUs;
  const text = execFileSync(vm, [...tied, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  if (!lines.every((line) => line.length === 3 && line.every(Number.isFinite)))
    throw new Error(`${script.join(" ")} printed no times: ${text}`);
  const against = (name: string, column: 1 | 2) => ({
    bench,
    case: `seccomp-ebpf: two threads contend, against ${name}`,
    ours: median(lines.map((line) => line[0]!)) / (2 * turns),
    reference: median(lines.map((line) => line[column]!)) / (2 * turns),
    ratio: median(lines.map((line) => line[0]! / line[column]!)),
    unit: "ns/call",
  });
  // A throughput of at least 0.8 times the reference's.
  print({ ...against("counted calls under a pthread_rwlock_t", 1), limit: "≤ 1.25" });
  print({ ...against("calls under a pthread_rwlock_t without a policy", 2), informative: true });
}
