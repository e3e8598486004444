/**
 * Parts of the suite that `make test` leaves out because they take long and repeat a property that another test has. `make
 * test-all` runs all of them, `.ci/run` those whose sources have changed. PORTCULLIS_PARTS has their names, with commas.
 *
 * - `agent`: an agent under attack, with other users' commands, and restarted. test/live/agent.test.ts, test/agent/commands.test.ts
 *   and test/agent/local-runs.test.ts, which always run, have what it does
 * - `bench`: each benchmark once, with little to do
 * - `closed-sets`: the sources with a member added to each closed set, by twenty runs of the TypeScript compiler
 * - `containers`: containers of podman, docker, containerd and its CRI under an agent, and rootless ones,
 *   `make test-containers`; what each capability of the agent's service is for
 * - `coverage`: the shares of src that the unit tests execute, test/setup/least-coverage.ts
 * - `exploits`: test/kernel/vulnerabilities.test.ts with each pattern under each engine, with more rounds, and on the
 *   stock kernel
 * - `kernel`: the tests of the kernel series that use nothing of portcullis: its selftests and its sample, and the kernel's
 *   own selftests. Only a change of kernel/ changes their results
 * - `kernels`: what needs more than one machine with the patched kernel: Linux of Debian's backports, the stock kernel with
 *   starved callers, the exploits' patterns on a vulnerable kernel, checkpoints, the instructions of a match; and containers
 *   and trees under `seccomp-ebpf` in circumstances that the other engine's tests have on the host
 * - `machine`: the virtual machine itself, kernel/vm, and the selftests of its kernels on the stock kernel
 * - `nodes`: the installed package with each release of Node; else with the present one
 * - `programs`: proposals for real servers, real programs with each possible call pinned, and containers of crun and runc
 *   under an agent: smaller programs of test/live and test/agent show the same of proposals, pins and agents
 * - `random`: all cases of random tests, a quarter of which find what is often wrong, longer random runs, and test/kernel/lives.test.ts, whose property test/engines/replay.test.ts also has
 * - `sizes`: policies with thousands of rules, whose analyses and programs reach their limits
 * - `trees`: test/live as trees of an agent's thread
 * - `users`: all live tests of ready policies under `seccomp-ebpf` as each kind of user, and all selftests of eBPF filters as
 *   an ordinary user; else most as root, and as an ordinary user those about rights
 */
export const names = [
  "agent",
  "bench",
  "closed-sets",
  "containers",
  "coverage",
  "exploits",
  "kernel",
  "kernels",
  "machine",
  "nodes",
  "programs",
  "random",
  "sizes",
  "trees",
  "users",
] as const;

type Part = (typeof names)[number];

const given = (process.env["PORTCULLIS_PARTS"] ?? "").split(",").filter((name) => name !== "");

for (const name of given) {
  if (!(names as readonly string[]).includes(name))
    throw new Error(`PORTCULLIS_PARTS: no part is named ${name}; the parts are ${names.join(", ")}`);
}

export const runs = (part: Part): boolean => given.includes(part);

/** Files that run with a part only, or with one of several. */
export const filesOfParts = [
  ["agent", "test/agent/container-agent.test.ts"],
  ["agent", "test/agent/held-turns.test.ts"],
  ["agent", "test/agent/hostile-tree.test.ts"],
  ["agent", "test/agent/other-users.test.ts"],
  ["agent", "test/agent/restart.test.ts"],
  ["bench", "test/setup/bench.test.ts"],
  ["closed-sets", "test/types/closed-sets.test.ts"],
  ["containers", "test/containers/container-engines.test.ts"],
  ["containers", "test/containers/cri.test.ts"],
  ["containers", "test/containers/recorded.test.ts"],
  ["containers", "test/containers/rootless.test.ts"],
  ["containers", "test/systemd/service-capabilities.test.ts"],
  ["coverage", "test/setup/unit-coverage.test.ts"],
  ["exploits", "test/kernel/vulnerabilities.test.ts"],
  ["kernel", "test/kernel/bpf-selftests.test.ts"],
  ["kernel", "test/kernel/ebpf-filters.test.ts"],
  ["kernel", "test/kernel/sample.test.ts"],
  ["kernel", "test/kernel/selftests.test.ts"],
  ["kernels", "test/engines/held-to-hosts.test.ts"],
  ["kernels", "test/engines/limited-trees.test.ts"],
  ["kernels", "test/engines/without-jit.test.ts"],
  ["kernels", "test/kernel/checkpoint.test.ts"],
  ["kernels", "test/kernel/match-cost.test.ts"],
  ["kernels", "test/kernel/pins.test.ts"],
  ["kernels", "test/kernel/portcullis-crun.test.ts"],
  ["kernels", "test/kernel/recent.test.ts"],
  ["kernels", "test/kernel/vulnerabilities.test.ts"],
  ["machine", "test/kernel/machine.test.ts"],
  ["programs", "test/containers/oci-runtimes.test.ts"],
  ["programs", "test/live/pinned-programs.test.ts"],
  ["programs", "test/live/proposed.test.ts"],
  ["random", "test/kernel/lives.test.ts"],
  ["sizes", "test/ebpf/extreme-sizes.test.ts"],
  ["sizes", "test/fuzz/many-rules.test.ts"],
  ["trees", "test/setup/live-in-trees.test.ts"],
] as const;

/** Whether the file is of no part, or one of its parts runs. */
export function isIncluded(file: string): boolean {
  const parts = filesOfParts.flatMap(([part, own]) => (own === file ? [part] : []));
  return parts.length === 0 || parts.some(runs);
}
