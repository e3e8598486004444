// SPDX-License-Identifier: GPL-2.0-only
// kernel/vm run [options] -- command args: runs one command under a kernel in QEMU, with this machine's files, and ends
// as the command ended. Standard input, output and error are the command's own; whatever this says itself is prefixed
// with "vm: " and goes to standard error.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { complaintIn } from "./console.mjs";
import { start } from "./machine.mjs";

const usage = `Usage: kernel/vm run [options] -- COMMAND [ARGS...]
Runs a command under a kernel in QEMU. Its files are this machine's, read-only, under a layer in memory that goes when
the machine does. What the command leaves running ends with it.

  --kernel NAME|FILE   patched (default), stock, debug, nojit, upto-N (see kernel/build), or a bzImage
  --user UID[:GID]     whose the command is (default 0; the group has the same number)
  --cwd DIR            where it runs (default: here); every user can search the directories above it there
  --env NAME=VALUE     more of its environment, which else is PATH, HOME and LANG
  --sysctl NAME=VALUE  set before; by default the unprivileged mode is on where the kernel knows it:
                       kernel.unprivileged_bpf_disabled=0, kernel.seccomp.ebpf=3
  --append WORDS       more of the kernel's command line
  --smp N              processors (default 2)
  --memory MIB         (default 2048)
  --icount             one instruction is one nanosecond of the machine's time, on one processor without mitigations:
                       what a clock measures is the count of instructions, the same on every run
  --timeout SECONDS    of this machine's time (default 600); the machine is then ended
  --console            show what the kernel prints, also when nothing is wrong

Exit status: the command's own; 128+n when signal n ended it; 127 not found; 126 cannot be run; 124 after the timeout;
125 when the machine did not start or the kernel complained, whatever the command's status: the console is then shown.
`;

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

/** A whole number of at least `least`. */
function count(name, text, least) {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least)
    fail(`--${name} ${text}: expected a number of at least ${least}`);
  return Number(text);
}

function assignment(name, text) {
  if (!/^[^=]+=/.test(text)) fail(`--${name} ${text}: expected NAME=VALUE`);
  return text;
}

/** The bzImage that a name stands for, or the file itself. */
function imageOf(kernel) {
  if (!/^(patched|stock|debug|nojit|upto-\d+)$/.test(kernel)) {
    if (!existsSync(kernel))
      fail(`--kernel ${kernel}: no such file, and not one of patched, stock, debug, nojit, upto-N`);
    return kernel;
  }
  const build = join(dirname(dirname(fileURLToPath(import.meta.url))), "build");
  try {
    const found = execFileSync(build, ["--path", kernel], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    return join(found.trim(), "bzImage");
  } catch {
    return process.exit(ownFailure);
  }
}

const options = readOptions(process.argv.slice(2));
const smp = count("smp", options.smp ?? (options.icount ? "1" : "2"), 1);
if (options.icount && smp > 1) fail("--icount counts on one processor: it does not go with --smp");
const [uid, gid] =
  /^(\d+)(?::(\d+))?$/.exec(options.user)?.slice(1) ?? fail(`--user ${options.user}: expected UID or UID:GID`);
const sysctls = options.sysctl.map((text) => assignment("sysctl", text));
const unprivileged = ["kernel.unprivileged_bpf_disabled=0", "kernel.seccomp.ebpf=3"];

const image = resolve(imageOf(options.kernel));
const cwd = resolve(options.cwd);
const machine = start({
  image,
  smp,
  memory: count("memory", options.memory, 64),
  icount: options.icount,
  append: options.append,
  request: [
    `cwd=${cwd}`,
    // The checkout, the selftests beside the kernel, and Node may lie below a folder of mode 0700.
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
});

let late = false;
const clock = setTimeout(
  () => {
    late = true;
    machine.end();
  },
  count("timeout", options.timeout, 1) * 1000,
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    machine.end();
    process.exit(128 + constants.signals[signal]);
  });
}

process.stdin.on("data", (bytes) => {
  if (!machine.input(bytes)) {
    process.stdin.pause();
    machine.onDrain(() => process.stdin.resume());
  }
});
process.stdin.on("end", () => machine.endOfInput());
process.stdin.on("error", () => machine.endOfInput());

const result = await machine.ended((stream, bytes) =>
  (stream === "out" ? process.stdout : process.stderr).write(bytes),
);
clearTimeout(clock);

const complaint =
  complaintIn(result.console) ?? (result.tainted ? "the kernel is tainted by a warning or worse" : undefined);
const problem =
  complaint !== undefined
    ? `the kernel complained: ${complaint}`
    : result.refused !== undefined
      ? `the command was not started: ${result.refused}`
      : result.status === undefined && !late
        ? `the machine ended before the command did${result.emulator === "" ? "" : `: ${result.emulator}`}`
        : undefined;
if (problem !== undefined || late || options.console) {
  process.stderr.write(result.console.replace(/\r/g, "").replace(/[^\n]$/, "$&\n"));
}
if (problem !== undefined) process.stderr.write(`vm: ${problem}\n`);
if (late) process.stderr.write(`vm: not done after ${options.timeout} s (--timeout)\n`);
// What was written to pipes has to be out first.
const flushed = (stream) => new Promise((resolve) => stream.write("", resolve));
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(problem !== undefined ? ownFailure : late ? timedOut : result.status);
