/** Random recordings for tests: a tree of processes and threads that start, serve and execute, as JSON lines. */

import { allCalls, callByName } from "../../abi/calls.ts";
import { exemptCalls } from "../../abi/exempt-calls.ts";
import { nameSet } from "../../abi/flags.ts";
import { type Choices, chance, pick } from "../../ir/testing/choices.ts";

const usual = [
  ...["openat", "read", "write", "mmap", "mprotect", "socket", "bind", "listen", "accept4", "connect", "setuid"],
  ...["epoll_wait", "fcntl", "ioctl", "prctl", "clone", "clone3", "vfork", "execve", "close", "futex", "sendto"],
  ...["sendmsg", "openat2", "symlink", "setsockopt", "newfstatat", "statx", "access", "exit_group", "io_uring_setup"],
];
const paths = [
  ...["/etc/hosts", "/usr/lib/a.so", "/usr/lib/b.so.1", "/usr/lib/../lib/c.so", "relative/name", "/proc/12/stat", "/"],
  ...["/srv/index.html", "/srv/é.html", "/tmp/a1", "/tmp/a22", "/tmp/a333", "/tmp/{b}*", "/bin/sh", "/usr/bin/git", ""],
];
const addresses = [
  ...[
    { kind: "ip", address: "127.0.0.1", port: 80 },
    { kind: "ip", address: "10.1.2.3", port: 443 },
  ],
  ...[
    { kind: "ip", address: "::1", port: 53 },
    { kind: "unix", path: "/run/a" },
    { kind: "abstract", name: "b" },
  ],
  ...[{ kind: "netlink" }, { kind: "unspecified" }, { kind: "none" }, { kind: "unnamed" }],
];
/** No filter sees them. */
const exempt: ReadonlySet<string> = new Set(exemptCalls);
const cloneThread = "0x3d0f00";

/** @returns lines with their ends */
export function randomRecording(choices: Choices): string {
  const lines: string[] = [JSON.stringify({ v: 1, kind: "start", tid: 100, architecture: "x86_64" })];
  // A process takes its calls from one of these, so that the children of one parent differ.
  const pools = Array.from({ length: 3 }, () =>
    Array.from({ length: 4 + choices.below(14) }, () =>
      chance(choices, 12) ? pick(choices, allCalls).name : pick(choices, usual),
    ),
  );
  const tasks = [{ tid: 100, process: 100, phase: 0, pool: pools[0]! }];
  const saysExecutions = chance(choices, 2);
  const isPartial = chance(choices, 5);
  const hasMemory = !chance(choices, 4);
  let next = 101;
  let time = 0;
  for (let rest = chance(choices, 3) ? 2 + choices.below(4) : 0; rest > 0; rest--) {
    const clone = { call: "clone", arguments: ["0x1200011", "0", "0", "0", "0"] };
    lines.push(JSON.stringify({ v: 1, kind: "call", tid: 100, time, ...clone }));
    lines.push(JSON.stringify({ v: 1, kind: "fork", tid: 100, child: next }));
    tasks.push({ tid: next, process: next, phase: 0, pool: pick(choices, pools) });
    next++;
  }
  const count = 1 + choices.below(90);
  for (let at = 0; at < count; at++) {
    const task = pick(choices, tasks);
    task.phase += choices.below(3);
    time += choices.below(5) * 1000;
    const { pool } = task;
    const from = Math.min(pool.length - 1, Math.floor(task.phase / 8));
    const name = pool[from + choices.below(Math.min(5, pool.length - from))]!;
    const call = callByName(name)!;
    if (call.number.x86_64 === undefined || exempt.has(name)) continue;
    const isThread = name === "clone" && chance(choices, 3);
    const registers = call.parameters.map(({ kind }, index) => {
      if (name === "clone" && index === 0) return isThread ? cloneThread : "0x1200011";
      if (isPartial && chance(choices, 6)) return chance(choices, 2) ? null : "0x????????00000001";
      if ("set" in kind && !chance(choices, 8))
        return `0x${pick(choices, nameSet(kind.set)!.members).value.x86_64?.toString(16) ?? "1"}`;
      if (kind.is === "pointer") return chance(choices, 6) ? "0" : "0x7f0000001000";
      return chance(choices, 10) ? "0x1_0000_0002".replaceAll("_", "") : String(choices.below(6));
    });
    const members = { v: 1, kind: "call", tid: task.tid, time, call: name, arguments: registers };
    const memory = hasMemory && !chance(choices, 10) ? { memory: memoryOf(name, choices) } : {};
    const executes = saysExecutions && name === "execve" && chance(choices, 2) && task.tid === task.process;
    const result = name === "execve" && !executes && chance(choices, 2) ? { result: "-2" } : {};
    lines.push(JSON.stringify({ ...members, ...memory, ...result }));
    if (/^(?:clone3?|vfork)$/.test(name) && !chance(choices, 3) && tasks.length < 8) {
      lines.push(JSON.stringify({ v: 1, kind: isThread ? "thread" : "fork", tid: task.tid, child: next }));
      tasks.push({
        ...{ tid: next, process: isThread ? task.process : next, phase: isThread ? task.phase : 0 },
        pool: isThread ? pool : pick(choices, pools),
      });
      next++;
    }
    if (executes) {
      lines.push(JSON.stringify({ v: 1, kind: "exec", tid: task.tid }));
      // The other threads end with it.
      const others = tasks.filter(({ tid, process }) => process === task.process && tid !== process);
      for (const other of others) tasks.splice(tasks.indexOf(other), 1);
    }
    if (tasks.length > 1 && chance(choices, 25)) {
      lines.push(JSON.stringify({ v: 1, kind: "exit", tid: task.tid }));
      tasks.splice(tasks.indexOf(task), 1);
    }
  }
  // A recording has at least one call.
  lines.push(JSON.stringify({ v: 1, kind: "call", tid: tasks[0]!.tid, time, call: "getpid", arguments: [] }));
  return lines.map((line) => `${line}\n`).join("");
}

function memoryOf(call: string, choices: Choices): object {
  const path = (): unknown => {
    if (chance(choices, 12)) return pick(choices, [{ hex: "2fff" }, { starts: "/usr/" }, { error: "EFAULT" }]);
    return chance(choices, 8) ? `/data/${choices.below(40)}/f` : pick(choices, paths);
  };
  switch (call) {
    case "connect":
    case "bind":
    case "sendto":
      return { addr: pick(choices, addresses) };
    case "sendmsg":
      return { msg: pick(choices, addresses) };
    case "clone3":
      return { uargs: { flags: "0x1200000", exit_signal: 17 } };
    case "openat2":
      return { path: path(), how: { flags: "O_RDONLY", mode: "0", resolve: "0x8" } };
    case "symlink":
      return { oldpath: path(), newpath: path() };
    case "openat":
    case "execve":
    case "access":
    case "newfstatat":
      return { path: path() };
    default:
      return {};
  }
}
