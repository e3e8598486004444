// Tests the engine seccomp-ebpf in the machine, with TAP output. Run as root: node guest.mjs FOLDER DOCTOR, a folder with
// bundles, and a command that runs `doctor`, as JSON; node guest.mjs FOLDER off, where kernel.seccomp.ebpf is 0, which the kernel keeps until the next boot.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const [folder, mode] = process.argv.slice(2);
const portcullis = "bin/portcullis";
const launcher = `dist/native/${process.arch}/launcher`;
let count = 0;

function check(name, body) {
  count += 1;
  try {
    const wrong = body();
    if (wrong !== undefined) throw new Error(wrong);
    console.log(`ok ${count} - ${name}`);
  } catch (error) {
    for (const line of String(error.message).split("\n")) console.log(`# ${line}`);
    console.log(`not ok ${count} - ${name}`);
  }
}

function run(program, ...words) {
  const { pid, status, signal, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: 300_000 });
  return { pid, status, signal, stdout, stderr };
}

/** Returns undefined for the expected result, otherwise the actual one. */
function differs(outcome, wanted) {
  const is = Object.entries(wanted).every(([key, value]) =>
    value instanceof RegExp ? value.test(outcome[key]) : outcome[key] === value,
  );
  return is ? undefined : JSON.stringify(outcome);
}

const engine = ["run", "--engine", "seccomp-ebpf"];
/** With a cache of policies. */
const home = "/tmp/home-of-anybody";
mkdirSync(home);
chownSync(home, 65534, 65534);
const anybody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", `HOME=${home}`];
const isolated = ["unshare", "--user", "--map-root-user"];
const execOnce = ["-p", "exec-once", "--", "/bin/sh", "-c", "echo started; /bin/true || echo refused"];

if (mode === "off") {
  check(
    "kernel.seccomp.ebpf=0: no user can start a command, and the reason is reported",
    () =>
      differs(run(portcullis, ...engine, ...execOnce), {
        status: 125,
        stdout: "",
        stderr: /kernel\.seccomp\.ebpf is 0/,
      }) ??
      differs(run(launcher, "run", `${folder}/children.pcl`, "/bin/true"), {
        status: 125,
        stderr: /kernel\.seccomp\.ebpf/,
      }),
  );
  check(
    "kernel.seccomp.ebpf=0: --best-effort enforces the static part, and says so",
    () =>
      differs(run(portcullis, ...engine, "--best-effort", ...execOnce), {
        status: 0,
        stdout: "started\nrefused\n",
        stderr: /BEST EFFORT: only the policy's static part/,
      }) ??
      differs(run(launcher, "run", "--best-effort", `${folder}/children.pcl`, "/bin/true"), {
        status: 0,
        stderr: /BEST EFFORT/,
      }),
  );
  console.log(`1..${count}`);
  process.exit();
}

// A start of Node takes seconds here, and a compilation longer. Where neither is the matter, the launcher runs a bundle, or `run`
// does.
const bundle = { of: (name) => ["-p", `${folder}/${name}.pcl`, "--"], children: `${folder}/children.pcl` };
for (const [who, prefix, children] of [
  ["root", ["env"], bundle.children],
  ["anybody", anybody, `${folder}/children-unprivileged.pcl`],
  ["root of a user namespace", [...anybody, ...isolated], `${folder}/children-unprivileged.pcl`],
]) {
  const [first, ...rest] = prefix;
  check(`${who}: a stateless policy is enforced, with events`, () =>
    differs(run(first, ...rest, portcullis, ...engine, ...execOnce), {
      status: 0,
      stdout: "started\nrefused\n",
      stderr: /execve\(.*denied with EACCES.*exec-once\.ts:\d+:\d+/,
    }),
  );
  check(`${who}: state persists, processes are counted exactly`, () =>
    differs(run(first, ...rest, launcher, "run", "--set", "most=16", children, "build/test/attempt", "crowd", "40"), {
      status: 0,
      stdout: "made 15 refused 25\nafter one ended ok\n",
    }),
  );
}

check("with -q the command replaces the started process, and no other process remains", () => {
  const outcome = run(portcullis, ...engine, "-q", ...bundle.of("children"), "/bin/sh", "-c", "echo $$");
  return differs(outcome, { status: 0, stdout: `${outcome.pid}\n` });
});
check("with -q the command does not wait for processes that the caller had before", () => {
  const former = 'sleep 300 >/dev/null 2>&1 & exec "$@" -- /bin/sh -c \'kill "$0" && echo alive\' $!';
  const words = [portcullis, ...engine, "-q", "-p", bundle.children];
  return differs(run("sh", "-c", former, "sh", ...words), { status: 0, stdout: "alive\n" });
});
check(
  "the command's own status, and its signals, are portcullis's",
  () =>
    differs(run(portcullis, ...engine, ...bundle.of("children"), "/bin/sh", "-c", "exit 7"), {
      status: 7,
      stderr: "",
    }) ??
    differs(run(portcullis, ...engine, ...bundle.of("children"), "/bin/sh", "-c", "kill -TERM $$"), {
      status: null,
      signal: "SIGTERM",
    }),
);
check("events are JSON lines, in order, with the ids that the command sees", () => {
  const file = `${folder}/events-guest`;
  const script = "echo $$; /bin/true; /bin/true; exit 0";
  const outcome = run(portcullis, ...engine, "--events", file, "-p", "exec-once", "--", "/bin/sh", "-c", script);
  const events = run("cat", file).stdout.trim().split("\n").map(JSON.parse);
  const [pid] = outcome.stdout.split("\n");
  const parents = events.map(({ verdict, errno, call, policy }) => [verdict, errno, call, policy].join());
  if (parents.join(" ") !== "deny,EACCES,execve,exec-once deny,EACCES,execve,exec-once") return JSON.stringify(events);
  return events.every((event) => event.pid > Number(pid)) ? undefined : JSON.stringify({ pid, events });
});
check("the kernel carries out a stateful kill, with an event", () => {
  const outcome = run(portcullis, ...engine, ...bundle.of("nginx"), "build/test/hijacked", "shell");
  return differs(outcome, { status: 1, stderr: /killed the process/ });
});
check("a time limit ends the tree", () => {
  const outcome = run(portcullis, ...engine, "--timeout", "3s", ...bundle.of("children"), "/bin/sh", "-c", "sleep 600");
  return differs(outcome, { signal: "SIGTERM", stderr: /time limit/ });
});

check("a bundle is enforced by the launcher alone, with the default of its parameter", () =>
  differs(run(launcher, "run", bundle.children, "build/test/attempt", "crowd", "40"), {
    status: 0,
    stdout: "made 15 refused 25\nafter one ended ok\n",
  }),
);
const crowd = [bundle.children, "build/test/attempt", "crowd", "40"];
const madeOf = (most) => ({ status: 0, stdout: `made ${most - 1} refused ${41 - most}\nafter one ended ok\n` });
for (const most of [5, 10])
  check(`a bundle's open parameter is what the launcher is given: ${most}`, () =>
    differs(run(launcher, "run", "--set", `most=${most}`, ...crowd), madeOf(most)),
  );
for (const [how, most, words] of [
  ["supervised", 5, []],
  ["in place", 10, ["-q"]],
])
  check(`a bundle's open parameter is what run is given, ${how}: ${most}`, () =>
    differs(run(portcullis, "run", ...words, "--set", `most=${most}`, "-p", ...crowd), madeOf(most)),
  );
check("a bundle whose parameter is set to what it cannot be starts nothing", () =>
  differs(run(launcher, "run", "--set", "most=0", bundle.children, "/bin/echo", "it ran"), {
    status: 125,
    stdout: "",
    stderr: /most must be an integer from 1 to 100000, not 0/,
  }),
);
check("a bundle is enforced by run -p", () =>
  differs(run(portcullis, "run", "-p", `${folder}/exec-once.pcl`, "--", "/bin/sh", "-c", "/bin/true || echo refused"), {
    status: 0,
    stdout: "refused\n",
    stderr: /denied with EACCES/,
  }),
);
// The words of doctorUntil in test/kernel/vm.ts.
check("doctor finds the engine working", () =>
  differs(run(...JSON.parse(mode)), { stdout: /ok +engine seccomp-ebpf: processes have state/ }),
);

// ── Fail closed ─────────────────────────────────────────────────────────────────────────────────────────────────────

const [asAnybody, ...anybodyRest] = anybody;
const value = (name) => readFileSync(`/proc/sys/kernel/${name}`, "utf8").trim();
const setting = (name, value) => writeFileSync(`/proc/sys/kernel/${name}`, `${value}\n`);
const refusedToAnybody = () =>
  differs(run(asAnybody, ...anybodyRest, portcullis, ...engine, ...execOnce), {
    status: 125,
    stdout: "",
    stderr: /not for this process/,
  });

const former = { scope: value("yama/ptrace_scope"), ebpf: value("seccomp/ebpf") };
setting("yama/ptrace_scope", 1);
check("kernel.yama.ptrace_scope=1: notify follows forks, for anybody", () =>
  differs(
    run(
      ...[asAnybody, ...anybodyRest, portcullis, "run", "--engine", "notify", "-q"],
      ...["-p", "children", "--set", "most=16", "--", "build/test/attempt", "crowd", "40"],
    ),
    { status: 0, stdout: "made 15 refused 25\nafter one ended ok\n" },
  ),
);
for (const [who, prefix] of [
  ["root", ["env"]],
  ["anybody", anybody],
])
  check(`top shows a tree of ${who}: refused calls by rule, processes, keys of tables, and what it cannot know`, () => {
    const at = `/tmp/top-${who}`;
    mkdirSync(at, { mode: 0o777 });
    chmodSync(at, 0o777);
    const [socket, stop] = [`${at}/socket`, `${at}/stop`];
    const work = [...engine, "-q", "--status", socket, "-p", `${folder}/top.ts`, "--", `${folder}/top-work`, stop];
    const tree = spawn(prefix[0], [...prefix.slice(1), portcullis, ...work], { stdio: "ignore" });
    const seen = run(
      ...prefix,
      "sh",
      "-c",
      `until test -S ${socket}; do sleep 0.2; done; ${portcullis} top --json -n 3 ${socket}`,
    );
    // What it prints of the same line depends on no user.
    const screen = who === "root" ? run(portcullis, "top", socket) : undefined;
    writeFileSync(stop, "");
    run("sh", "-c", `while test -d /proc/${tree.pid} && ! grep -q Z /proc/${tree.pid}/stat; do sleep 0.2; done`);
    const status = JSON.parse(seen.stdout.trim().split("\n").at(-1));
    const [verdict] = status.verdicts;
    return (
      differs(status, { engine: "seccomp-ebpf", policy: "top", refusedByPortcullis: 0 }) ??
      differs(verdict, { verdict: "deny EACCES", reason: "no folders" }) ??
      (verdict.calls > 10 && status.refusals.length === 20 ? undefined : JSON.stringify(status)) ??
      differs(status.state.tree.tables[0], { name: "seen", keys: 3, capacity: 100 }) ??
      differs({ processes: status.state.processes.length }, { processes: 2 }) ??
      differs({ unknown: status.unknown.join() }, { unknown: /calls that pass.*phases.*tables/ }) ??
      (screen &&
        differs(screen, {
          status: 0,
          stdout: /reported: [\s\S]*deny EACCES[\s\S]*seen \[[\s\S]*not known under seccomp-ebpf/,
        }))
    );
  });
setting("seccomp/ebpf", 1);
check("kernel.seccomp.ebpf=1: users without CAP_BPF cannot start a command", refusedToAnybody);
check("kernel.seccomp.ebpf=1: auto takes notify for them", () =>
  differs(run(asAnybody, ...anybodyRest, portcullis, "run", ...execOnce), { status: 0, stdout: "started\nrefused\n" }),
);
check("kernel.seccomp.ebpf=1: root still can", () =>
  differs(run(portcullis, ...engine, ...execOnce), { status: 0, stdout: "started\nrefused\n" }),
);
setting("seccomp/ebpf", former.ebpf);
setting("yama/ptrace_scope", former.scope);
console.log(`1..${count}`);
