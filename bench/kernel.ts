/**
 * Measures the cost of the kernel series and of policies under it: instructions for one system call, counted by QEMU,
 * with the same result on every run. First the series against the stock kernel of the same configuration; then policies
 * under seccomp-ebpf, relative to the same kernel without a filter, against libseccomp and against the notifier in that
 * kernel.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { amount } from "./support/amount.ts";
import { instructions, opened } from "./support/machine.ts";
import { print } from "./support/pairs.ts";

const unit = "instructions";
const program = "build/bench/instructions";
const getppid = [program, "getppid"];

const plain = {
  none: getppid,
  cached: ["build/bench/allow_all", ...getppid],
  tree: ["build/bench/deny_list", "tree", ...getppid],
  linear: ["build/bench/deny_list", "linear", ...getppid],
  opens: [program, "openat", opened],
};

const stock = instructions("stock", plain);
const patched = instructions("patched", plain);
const series = (name: keyof typeof plain, what: string, limit: string): void =>
  print({ bench: "kernel", case: `the series: ${what}`, ours: patched[name], reference: stock[name], unit, limit });
series("none", "no filter", "+ 0");
series("cached", "a classic filter, answered from the bitmap", "+ 0");
series("tree", "libseccomp's tree, which has to run", "+ 4");
series("linear", "libseccomp's list, which has to run", "+ 4");
series("opens", "openat and close without a filter", "+ 4");

const under = (
  engine: string,
  policy: string,
  command: readonly string[],
  events: readonly string[] = ["-q"],
): string[] => ["bin/portcullis", "run", ...events, "--engine", engine, "-p", policy, "--", ...command];

/** Not agent-socket: no program can see which object a path leads to. */
const isExpressible = (file: string): boolean =>
  spawnSync("bin/portcullis", ["disasm", "--target", "seccomp", `policies/${file}`]).status === 0;

// Under call-flow every call is a step of the state.
const ready = readdirSync("policies")
  .filter((file) => file.endsWith(".ts") && !file.includes("flow") && isExpressible(file))
  .slice(0, amount(Number.POSITIVE_INFINITY, 1));
const untouched = instructions(
  "patched",
  Object.fromEntries(ready.map((file) => [file, under("seccomp-ebpf", `policies/${file}`, getppid)])),
);
const added = (value: number): number => value - patched.none;
for (const file of ready) {
  print({
    bench: "kernel",
    case: `a call that policies/${file} allows, against the bitmap`,
    ours: added(untouched[file]!),
    reference: added(patched.cached),
    unit,
    limit: "the same",
  });
}

const limits = {
  "deny-list": `≤ ${added(patched.tree)} (libseccomp's tree)`,
  counting: "≤ 290",
  phases: "≤ 290",
  table: "≤ 390",
} as const;
const policies = Object.keys(limits) as (keyof typeof limits)[];
const policyFile = (name: string): string => `bench/policies/kernel/${name}.ts`;
const extended = instructions(
  "patched",
  Object.fromEntries(policies.map((name) => [name, under("seccomp-ebpf", policyFile(name), getppid)])),
);
for (const name of policies) {
  const ours = added(extended[name]!);
  const reference = added(patched.tree);
  print({
    bench: "kernel",
    case: `policy ${name}, on the measured call, against libseccomp's tree`,
    ours,
    reference,
    ratio: ours / reference,
    unit,
    limit: limits[name],
  });
}

// Paths of 15 bytes and of 47. The measured program also closes the file, which the filter allows by its bitmap.
const farther = opened.replace(/[^/]+$/, (name) => `${"./".repeat(16)}${name}`);
const paths = { short: [program, "openat", opened], long: [program, "openat", farther] } as const;
const unfiltered = instructions("patched", paths);
const matched = instructions("patched", {
  short: under("seccomp-ebpf", policyFile("patterns"), paths.short),
  long: under("seccomp-ebpf", policyFile("patterns"), paths.long),
});
for (const length of ["short", "long"] as const)
  print({
    bench: "kernel",
    case: `openat of ${paths[length][2].length} bytes, compared with 20 patterns`,
    ours: matched[length] - unfiltered[length] - added(patched.cached),
    reference: unfiltered[length],
    unit,
    limit: "≤ 900",
  });

// The same with the preemption of Debian's kernels, which is chosen at boot. `kernel/build dynamic` builds this kernel.
const models = spawnSync("kernel/build", ["--path", "dynamic"]).status === 0 ? ["none", "voluntary", "full"] : [];
for (const preempt of models) {
  const words = [`preempt=${preempt}`];
  const base = instructions("dynamic", plain, words);
  const filtered = instructions(
    "dynamic",
    Object.fromEntries(policies.map((name) => [name, under("seccomp-ebpf", policyFile(name), getppid)])),
    words,
  );
  const figures = [
    ...(["cached", "tree", "linear"] as const).map((name) => [name, base[name], patched[name]] as const),
    ...policies.map((name) => [`policy ${name}`, filtered[name]!, extended[name]!] as const),
  ];
  for (const [name, value, withoutPreemption] of figures) {
    const ours = value - base.none;
    const reference = added(withoutPreemption);
    print({
      bench: "kernel",
      case: `${name}, PREEMPT_DYNAMIC with preempt=${preempt}, against PREEMPT_NONE`,
      ours,
      reference,
      ratio: ours / reference,
      unit,
      informative: true,
    });
  }
}

// With events, the program also runs, to emit the events of denied calls.
const heard = instructions("patched", {
  denials: under("seccomp-ebpf", policyFile("deny-list"), getppid, ["--events", "/dev/shm/events"]),
});
print({
  bench: "kernel",
  case: "policy deny-list, on the measured call, with events",
  ours: added(heard.denials),
  reference: added(patched.tree),
  ratio: added(heard.denials) / added(patched.tree),
  unit,
  informative: true,
});

// A supervised call takes tens of thousands of instructions, and varies because it wakes two processes.
const supervised = policies.filter((name) => name !== "deny-list");
const notified = instructions(
  "patched",
  Object.fromEntries(
    supervised.map((name) => [name, under("notify", policyFile(name), ["build/bench/loop", `${amount(2000, 10)}`])]),
  ),
);
for (const name of supervised) {
  const ours = added(extended[name]!);
  const reference = added(notified[name]!);
  print({
    bench: "kernel",
    case: `policy ${name}, against the notifier (the paper: 45 times less)`,
    ours,
    reference,
    ratio: reference / ours,
    unit,
    informative: true,
  });
}
