// SPDX-License-Identifier: GPL-2.0-only
// kernel/vm run [options] -- command args: runs one command under a kernel in QEMU, with the host's files, and exits
// with the command's status. The command has the standard streams; messages of kernel/vm go to standard error and begin
// with "vm: ".
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { warningIn } from "./console.mjs";
import { start } from "./machine.mjs";

const usage = `Usage: kernel/vm run [options] -- COMMAND [ARGS...]
Runs a command under a kernel in QEMU. It sees the host's files through an overlay in memory, which is lost when the
machine ends. Processes that the command leaves are killed when it ends.

  --kernel NAME|FILE   patched (default), stock, debug, kcsan, nojit, dynamic, vulnerable, upto-N (see kernel/build),
                       recent (see kernel/fetch), or a bzImage
  --user UID[:GID]     the command's user (default 0) and group (default: the same number)
  --cwd DIR            the working directory (default: the current one); every user can search its parent directories
  --env NAME=VALUE     an environment variable in addition to PATH, HOME and LANG
  --sysctl NAME=VALUE  set before the command; by default the unprivileged mode is on, if the kernel has it:
                       kernel.unprivileged_bpf_disabled=0, kernel.seccomp.ebpf=3
  --append WORDS       appended to the kernel's command line
  --smp N              processors (default 2)
  --memory MIB         (default 2048)
  --icount             one instruction takes one nanosecond of the machine's time, on one processor without mitigations:
                       a clock then counts instructions, with the same result on every run
  --boot-timeout SECONDS
                       of the host's time to boot (default 300; debug and kcsan 1200): then another machine is started,
                       up to twice
  --timeout SECONDS    of the host's time without output of the command (default 600); the machine then describes its
                       tasks and is ended
  --console            show the kernel's messages in any case

Exit status: that of the command; 128+n if signal n ended it; 127 not found; 126 cannot be run; 124 after the timeout;
125 if the machine did not start or the kernel reported an error: the console is then shown.
`;

/** Machines that are started if QEMU fails. */
const mostAttempts = 3;
const ownFailure = 125;
const timedOut = 124;

function fail(message) {
  process.stderr.write(`vm: ${message}\n`);
  process.exit(ownFailure);
}

function readOptions(words) {
  const end = words.indexOf("--");
  const own = end < 0 ? words : words.slice(0, end);
  const command = end < 0 ? [] : words.slice(end + 1);
  try {
    const { values, positionals } = parseArgs({
      args: own,
      allowPositionals: true,
      options: {
        kernel: { type: "string", default: "patched" },
        user: { type: "string", default: "0" },
        cwd: { type: "string", default: process.cwd() },
        env: { type: "string", multiple: true, default: [] },
        sysctl: { type: "string", multiple: true, default: [] },
        append: { type: "string", multiple: true, default: [] },
        smp: { type: "string" },
        memory: { type: "string", default: "2048" },
        icount: { type: "boolean", default: false },
        timeout: { type: "string", default: "600" },
        "boot-timeout": { type: "string" },
        console: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    if (positionals[0] !== "run") fail("expected `run`; see kernel/vm --help");
    if (positionals.length > 1) fail(`unexpected ${positionals[1]}; the command follows --`);
    if (command.length === 0) fail("no command; it follows --");
    return { ...values, command };
  } catch (error) {
    return fail(error.message);
  }
}

/** An integer of at least `min`. */
function count(name, text, min) {
  if (!/^\d{1,9}$/.test(text) || Number(text) < min) fail(`--${name} ${text}: expected a number of at least ${min}`);
  return Number(text);
}

function assignment(name, text) {
  if (!/^[^=]+=/.test(text)) fail(`--${name} ${text}: expected NAME=VALUE`);
  return text;
}

function showConsole(result) {
  process.stderr.write(result.console.replace(/\r/g, "").replace(/[^\n]$/, "$&\n"));
}

/** The bzImage of a kernel's name, or the file itself. */
function imageOf(kernel) {
  if (!/^(patched|stock|debug|kcsan|nojit|dynamic|vulnerable|recent|upto-\d+)$/.test(kernel)) {
    if (!existsSync(kernel))
      fail(
        `--kernel ${kernel}: no such file, and not one of patched, stock, debug, kcsan, nojit, dynamic, vulnerable, recent, upto-N`,
      );
    return kernel;
  }
  const folder = dirname(dirname(fileURLToPath(import.meta.url)));
  const [script, ...words] = kernel === "recent" ? ["fetch", "--path"] : ["build", "--path", kernel];
  try {
    const found = execFileSync(join(folder, script), words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    return join(found.trim(), "bzImage");
  } catch {
    return process.exit(ownFailure);
  }
}

const options = readOptions(process.argv.slice(2));
const smp = count("smp", options.smp ?? (options.icount ? "1" : "2"), 1);
if (options.icount && smp > 1) fail("--icount requires one processor: omit --smp");
const [uid, gid] =
  /^(\d+)(?::(\d+))?$/.exec(options.user)?.slice(1) ?? fail(`--user ${options.user}: expected UID or UID:GID`);
const sysctls = options.sysctl.map((text) => assignment("sysctl", text));
const unprivileged = ["kernel.unprivileged_bpf_disabled=0", "kernel.seccomp.ebpf=3"];

const image = resolve(imageOf(options.kernel));
const cwd = resolve(options.cwd);
const machineOptions = {
  image,
  smp,
  memory: count("memory", options.memory, 64),
  icount: options.icount,
  append: options.append,
  request: [
    `cwd=${cwd}`,
    // The checkout, the selftests beside the kernel, and Node may be below a directory of mode 0700.
    ...[cwd, dirname(image), dirname(process.execPath)].map((folder) => `reachable=${folder}`),
    `uid=${uid}`,
    `gid=${gid ?? uid}`,
    ...unprivileged
      .filter((each) => !sysctls.some((own) => own.split("=")[0] === each.split("=")[0]))
      .map((each) => `default-sysctl=${each}`),
    ...sysctls.map((each) => `sysctl=${each}`),
    `env=PATH=${process.env.PATH ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}`,
    `env=HOME=${uid === "0" ? "/root" : "/tmp"}`,
    "env=LANG=C.UTF-8",
    ...options.env.map((text) => `env=${assignment("env", text)}`),
    ...options.command.map((word) => `arg=${word}`),
  ],
};
const slowToBoot = ["debug", "kcsan"];
const bootTimeout = count(
  "boot-timeout",
  options["boot-timeout"] ?? (slowToBoot.includes(options.kernel) ? "1200" : "300"),
  1,
);
const timeout = count("timeout", options.timeout, 1);

let machine;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    machine?.end();
    process.exit(128 + constants.signals[signal]);
  });
}

/**
 * A fault of QEMU 10.0.13, seen once beside busy processes: a processor used a section of memory that another had removed
 * (system/physmem.c).
 */
const emulatorFault = /\biotlb_to_section: Assertion /;

/**
 * Starts `machine`. Returns undefined when it has begun, or has ended for a reason of its own; else a fault of QEMU, after which
 * another machine can be started. QEMU 10.0.13 also loses interrupts under load: seen once while the guest mounted its root,
 * the timer's interrupt was in service for ever (ISR of a local APIC), and the disk's waited behind it.
 */
async function faultOfStart() {
  machine = start(machineOptions);
  let clock;
  const late = new Promise((resolve) => {
    clock = setTimeout(() => resolve("late"), bootTimeout * 1000);
  });
  const begun = await Promise.race([machine.begun, late]);
  clearTimeout(clock);
  if (begun === true) return undefined;
  if (begun === "late") machine.end();
  const { emulator } = await machine.ended(() => {});
  if (begun === "late") return `the machine has not booted in ${bootTimeout} s (--boot-timeout)`;
  return emulatorFault.test(emulator) ? `the machine ended before the command began: ${emulator}` : undefined;
}

for (let attempt = 1; ; attempt++) {
  const fault = await faultOfStart();
  if (fault === undefined) break;
  if (attempt === mostAttempts) {
    showConsole(await machine.ended(() => {}));
    fail(fault);
  }
  process.stderr.write(`vm: ${fault}: starting another\n`);
}

let isTimedOut = false;
const clock = setTimeout(() => {
  isTimedOut = true;
  machine.endWithTasks();
}, timeout * 1000);

process.stdin.on("data", (bytes) => {
  if (!machine.input(bytes)) {
    process.stdin.pause();
    machine.onDrain(() => process.stdin.resume());
  }
});
process.stdin.on("end", () => machine.endOfInput());
process.stdin.on("error", () => machine.endOfInput());

const result = await machine.ended((stream, bytes) => {
  clock.refresh();
  (stream === "out" ? process.stdout : process.stderr).write(bytes);
});
clearTimeout(clock);

const warning =
  warningIn(result.console) ?? (result.tainted ? "the kernel is tainted by a warning or worse" : undefined);
const problem =
  warning !== undefined
    ? `the kernel reported an error: ${warning}`
    : result.refused !== undefined
      ? `the command was not started: ${result.refused}`
      : result.status === undefined && !isTimedOut
        ? `the machine ended before the command did${result.emulator === "" ? "" : `: ${result.emulator}`}`
        : undefined;
if (problem !== undefined || isTimedOut || options.console) {
  showConsole(result);
}
if (result.tasks !== "")
  process.stderr.write(`vm: the tasks, as /proc/PID/task/TID/{stat,syscall,stack}:\n${result.tasks}`);
if (problem !== undefined) process.stderr.write(`vm: ${problem}\n`);
if (isTimedOut) process.stderr.write(`vm: neither output nor an end for ${options.timeout} s (--timeout)\n`);
// Flush pipes before the exit.
const flushed = (stream) => new Promise((resolve) => stream.write("", resolve));
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(problem !== undefined ? ownFailure : isTimedOut ? timedOut : result.status);
