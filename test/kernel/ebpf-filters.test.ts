/**
 * Runs the series' selftests of eBPF filters, as root and as an unprivileged user; on the stock kernel those that
 * expect it to reject the new calls. The table of kernel/README.md lists the checks.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { built, casesInMachine, full, isDebug, type Kernel, type Reporting, unable } from "./vm.ts";

const folder = `${process.cwd()}/build/test/selftests`;

/** A copy in the checkout: the cache of kernels may be in a folder that only its owner can search (/root). */
function program(kernel: Kernel, name: string): string {
  if (unable(kernel) !== undefined) return name;
  mkdirSync(folder, { recursive: true });
  copyFileSync(`${built(kernel)}/selftests/${name}`, `${folder}/${name}`);
  return `${folder}/${name}`;
}

const env = { SECCOMP_EBPF_DIVISOR: full ? "1" : "100" };

interface Run {
  readonly program: string;
  /** Options of the harness: -t and -T name tests, -f and -F fixtures, -v and -V variants; capitals exclude. */
  readonly select?: readonly string[];
  readonly count: number;
  readonly env?: Readonly<Record<string, string>>;
}

const leaveOut = (letter: "T" | "F" | "V", ...names: readonly string[]) =>
  names.flatMap((each) => [`-${letter}`, each]);

const forGood = ["ebpf_3_unpriv_1", "ebpf_2_unpriv_1", "ebpf_1_unpriv_1", "unpriv_1"];

const asRoot: readonly Run[] = [
  { program: "seccomp_ebpf", select: leaveOut("T", "absent"), count: 76 },
  { program: "seccomp_ebpf_cache", count: 25 },
  { program: "seccomp_ebpf_state", count: 36 },
  { program: "seccomp_ebpf_seal", count: 54 },
  { program: "seccomp_ebpf_args", count: 52 },
  { program: "seccomp_ebpf_match", count: 44 },
  // Only the debug kernel has fault injection (kernel/config.debug).
  ...(isDebug ? [{ program: "seccomp_ebpf_fail", count: 15 }] : []),
  { program: "seccomp_ebpf_ckpt", count: 21 },
  { program: "seccomp_ebpf_rooms", count: 50 },
];

// They set sysctls, of which seccomp.ebpf=0 and unprivileged_bpf_disabled=1 cannot be undone: each is the last of its machine.
const settingOff: Run = { program: "seccomp_ebpf_priv", select: leaveOut("V", ...forGood), count: 48 };
const settingForGood: Run = {
  program: "seccomp_ebpf_priv",
  select: forGood.flatMap((each) => ["-v", each]),
  count: 16,
  env: { SECCOMP_EBPF_WRITE_ONCE: "1" },
};

/** Races, leaks and waits that take most of their program's time, and in which the kernel does the same for every user. */
const sameForAll: Readonly<Record<string, readonly string[]>> = {
  seccomp_ebpf: ["attach_and_exit"],
  seccomp_ebpf_state: ["attach_while_forking"],
  seccomp_ebpf_args: ["no_leak_exit_group", "no_leak_killed", "no_leak_exec", "no_leak_kill_thread", "all_gone_later"],
  seccomp_ebpf_rooms: ["restart", "restart_order", "restart_other"],
};

function withoutRepetitions(run: Run): Run {
  const names = full || runs("users") ? [] : (sameForAll[run.program] ?? []);
  return { ...run, select: [...(run.select ?? []), ...leaveOut("T", ...names)], count: run.count - names.length };
}

// Without the tests that need root to inspect state, or to create the objects that are then refused.
const asNobody: readonly Run[] = [
  {
    program: "seccomp_ebpf",
    select: [
      ...leaveOut("T", "absent", "sys_admin", "unmasked_array", "speculation", "speculative_store", "sleepable"),
      ...leaveOut("T", "known_seed", "global_function", "special_fields", "long_program", "function_charged"),
    ],
    count: 65,
  },
  {
    program: "seccomp_ebpf_cache",
    select: ["-f", "strict", ...["counter", "differential", "system_calls"].flatMap((each) => ["-t", each])],
    count: 8,
  },
  { program: "seccomp_ebpf_state", select: leaveOut("T", "fork_without_memory"), count: 35 },
  {
    program: "seccomp_ebpf_seal",
    select: [
      ...leaveOut("F", "tracer"),
      ...leaveOut("T", "pin", "no_load", "iterator", "read_only_descriptor", "freplace"),
      ...leaveOut("T", "prog_array_let_go_twice", "prog_array_opened_again"),
    ],
    count: 39,
  },
  { program: "seccomp_ebpf_priv", select: ["-f", "userns"], count: 5 },
  {
    program: "seccomp_ebpf_args",
    select: leaveOut("T", "not_dumpable_capable", "listener_waits", "names_charged"),
    count: 49,
  },
  { program: "seccomp_ebpf_match", count: 44 },
  { program: "seccomp_ebpf_rooms", select: leaveOut("T", "pairs", "info", "crowd"), count: 47 },
];

function reporting({ program: name, select = [], count, env = {} }: Run, who: string, uid: number): Reporting {
  return {
    title: `${name}${Object.keys(env).length === 0 ? "" : ", for good"}, as ${who}`,
    command: { words: [program("patched", name), ...select], uid, env },
    count,
  };
}

// Random use of the interface, on the debug kernel for an hour. The kernel's warnings fail it.
const seconds = isDebug ? 1800 : full || runs("random") ? 60 : 10;
const random = [0, 65534].map((uid) => ({
  title: `seccomp_ebpf_random, as ${uid}`,
  command: {
    words: [program("patched", "seccomp_ebpf_random")],
    uid,
    env: { SECCOMP_EBPF_SECONDS: `${seconds}` },
    timeout: seconds + patience.machineProgram / 1000,
  },
  count: 1,
}));
await casesInMachine({ kernel: "patched", env }, [
  ...asRoot.map((each) => reporting(each, "root", 0)),
  ...asNobody.map((each) => reporting(withoutRepetitions(each), "a user without privileges", 65534)),
  ...random,
  reporting(settingOff, "root", 0),
]);
await casesInMachine({ kernel: "patched", env }, [reporting(settingForGood, "root", 0)]);

// The stock kernel lacks this selftest: the patched kernel's is run there.
if (runs("machine"))
  await casesInMachine(
    { kernel: "stock" },
    [0, 65534].map((uid) => ({
      title: `seccomp_ebpf on the stock kernel, as ${uid}`,
      command: { words: [program("patched", "seccomp_ebpf"), "-t", "absent"], uid },
      count: 1,
    })),
  );

// Check 30: a kernel that was built without a JIT compiler. Tests that need one are excluded: kernel functions, tail
// calls in functions, the masks that the verifier adds to lookups for it, and its settings.
if (full)
  for (const { program: name, select, count } of [
    {
      program: "seccomp_ebpf",
      select: [
        ...leaveOut("T", "absent", "speculation", "kfuncs", "licence", "attach_and_exit", "tsync_under_load"),
        ...leaveOut("T", "attach_elements", "size_of_branch", "function_charged"),
      ],
      count: 62,
    },
    {
      program: "seccomp_ebpf_cache",
      select: leaveOut("T", "state", "blinded", "interpreted", "kfunc_without_jit"),
      count: 21,
    },
    { program: "seccomp_ebpf_seal", select: leaveOut("T", "freplace"), count: 53 },
  ])
    await casesInMachine({ kernel: "nojit", env: { SECCOMP_EBPF_DIVISOR: "100" } }, [
      { title: `${name} on a kernel without JIT`, command: { words: [program("nojit", name), ...select] }, count },
    ]);
