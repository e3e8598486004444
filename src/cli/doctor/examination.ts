/** What `doctor` finds: each engine is tried as a person would use it, in a child. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { EngineName } from "../../engines/registry.ts";
import { seccompEbpfSupport } from "../../engines/seccomp-ebpf/support.ts";
import { hostArchitecture } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { NativeUnavailableError, native, nativeFile } from "../../linux/native.ts";
import { packageFile } from "../../linux/package.ts";
import type { Context } from "../context.ts";
import { bpfFindings } from "./bpf-findings.ts";
import type { Finding } from "./finding.ts";

export function* examine(context: Context): Generator<Finding> {
  const architecture = hostArchitecture();
  if (process.platform !== "linux" || architecture === undefined) {
    yield {
      state: "broken",
      what: `policies cannot be enforced on ${process.platform} ${process.arch}`,
      help: "simulate, test, check and explain work here",
    };
    return;
  }
  yield { state: "fine", what: `Linux ${release()}, ${architecture}` };
  yield* kernelFindings(release());
  yield* bpfFindings();
  yield* statusFindings(readOr("/proc/self/status", ""));
  yield* yamaFinding(readOr("/proc/sys/kernel/yama/ptrace_scope", "0").trim());
  yield* engineFindings(context);
}

/** What a newer kernel would do better. The engine looks for the features themselves; this only says why it is slower. */
function* kernelFindings(text: string): Generator<Finding> {
  const [major = 0, minor = 0] = text.split(".").map((part) => Number.parseInt(part, 10));
  const since = (wantedMajor: number, wantedMinor: number) =>
    major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  if (!since(5, 9)) {
    yield {
      state: "broken",
      what: "engine notify needs Linux 5.9",
      help: "it answers calls with SECCOMP_USER_NOTIF_FLAG_CONTINUE and waits for the end with POLLHUP",
    };
  }
  if (!since(6, 6)) {
    yield {
      state: "note",
      what: "a supervised call takes some 40 µs here instead of 6",
      help: "SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP came with Linux 6.6",
    };
  }
  if (!since(6, 9)) {
    yield {
      state: "note",
      what: "threads are identified anew at each supervised call",
      help: "PIDFD_THREAD came with Linux 6.9",
    };
  }
}

function* statusFindings(status: string): Generator<Finding> {
  const filters = Number(/^Seccomp_filters:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  if (filters > 0) {
    yield {
      state: "note",
      what: `${filters} seccomp filter${filters === 1 ? " is" : "s are"} in force around us already`,
      help: "a call that such a filter denies reaches no policy of ours on the engine notify, and is no event",
    };
  }
  if (/^TracerPid:\s*[1-9]/m.test(status)) {
    yield {
      state: "missing",
      what: "this process is traced",
      help: "a traced command cannot be followed into its forks: run without strace or a debugger",
    };
  }
}

function* yamaFinding(scope: string): Generator<Finding> {
  if (Number(scope) < 2) return;
  yield {
    state: "missing",
    what: `kernel.yama.ptrace_scope is ${scope}: new processes cannot be followed`,
    help: "policies that copy state to children, or count processes, refuse to fork here: sysctl kernel.yama.ptrace_scope=1",
  };
}

// ── The engines ─────────────────────────────────────────────────────────────────────────────────────────────────────

function* engineFindings(context: Context): Generator<Finding> {
  if (!existsSync(packageFile("dist/cli.cjs"))) {
    yield { state: "broken", what: "portcullis is not built", help: "make build" };
    return;
  }
  const fault = nativeFault();
  if (fault !== undefined) yield fault;
  else {
    yield* scopeFinding();
    yield* notifyFindings(context);
    yield* seccompEbpfFindings(context);
  }
  yield { state: "fine", what: "engine simulate: works everywhere (simulate, test)" };
}

/** Why no engine that enforces can work: the launcher or the addon is missing or cannot be loaded. */
function nativeFault(): Finding | undefined {
  try {
    nativeFile("launcher");
    native();
    return undefined;
  } catch (error) {
    if (!(error instanceof NativeUnavailableError)) throw error;
    return { state: "broken", what: error.message, help: error.help };
  }
}

/** A ready policy on a shell's script, as a person would run it. Only what hangs is ended: a machine may be slow. */
/** Whether a tree that is tied to something (--timeout, …) can be kept from signalling portcullis (native/launcher/shield.c). */
function* scopeFinding(): Generator<Finding> {
  const askVersion = 1; // LANDLOCK_CREATE_RULESET_VERSION
  const withScopes = 6;
  if (native().syscall(callNumber("landlock_create_ruleset"), null, 0, askVersion) >= withScopes) {
    yield { state: "fine", what: "--timeout, --kill-tree, --die-with-parent: no signal leaves the tree (Landlock)" };
  } else {
    yield {
      state: "note",
      what: "--timeout, --kill-tree, --die-with-parent: a command of the same user can evade them",
      help: "Landlock, which keeps signals in the tree since Linux 6.12, is missing or off (docs/engines.md)",
    };
  }
}

function trial(context: Context, engine: EngineName, policy: string, script: string) {
  const program = packageFile("bin/portcullis.cjs");
  const options = ["--engine", engine, "--events", "fd:3", "--timeout", "2min", "-p", policy];
  const started = ["supervise", process.execPath, program, "run", ...options, "--", "/bin/sh", "-c", script];
  const ran = spawnSync(nativeFile("launcher"), started, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    encoding: "utf8",
    env: { ...process.env, ...context.environment },
    timeout: 150_000,
  });
  return { status: ran.status, stderr: ran.stderr, events: ran.output[3] ?? "" };
}

function* notifyFindings(context: Context): Generator<Finding> {
  const plain = trial(context, "notify", "exec-once", "exit 7");
  if (plain.status !== 7) {
    yield { state: "broken", what: "engine notify cannot start a command", help: firstLines(plain.stderr) };
    return;
  }
  yield { state: "fine", what: "engine notify: a command runs under a classic filter" };

  const denied = trial(context, "notify", "exec-once", "exec /bin/true");
  if (denied.status === 126 && denied.events.includes('"verdict":"deny"')) {
    yield { state: "fine", what: "engine notify: a supervisor is asked, and tells of denials" };
  } else if (denied.status === 126) {
    yield {
      state: "missing",
      what: "engine notify: another supervisor listens around us already (EBUSY)",
      help: "policies without state work, without events; those with state refuse to start. Leave the other sandbox (a container's, systemd's, portcullis's own)",
    };
  } else {
    yield { state: "missing", what: "engine notify: a denial did not arrive", help: firstLines(denied.stderr) };
  }

  const forked = trial(context, "notify", "children", "/bin/true; /bin/true");
  if (forked.status === 0) {
    yield { state: "fine", what: "engine notify: new processes are followed, and their state with them" };
  } else {
    yield {
      state: "missing",
      what: "engine notify: new processes cannot be followed",
      help:
        firstLines(forked.events || forked.stderr) ?? "ptrace is refused: another tracer, or kernel.yama.ptrace_scope",
    };
  }
}

function* seccompEbpfFindings(context: Context): Generator<Finding> {
  const { is, missing } = seccompEbpfSupport();
  if (missing !== undefined) {
    // No distribution has it: that is no fault of the machine's.
    yield {
      state: is === "absent" ? "note" : "missing",
      what: `engine seccomp-ebpf: ${missing.what}`,
      help: missing.help,
    };
    return;
  }
  const denied = trial(context, "seccomp-ebpf", "exec-once", "exec /bin/true");
  if (denied.status !== 126) {
    yield { state: "missing", what: "engine seccomp-ebpf cannot start a command", help: firstLines(denied.stderr) };
    return;
  }
  const how = is === "privileged" ? "with CAP_BPF" : "without any privilege (programs of 4,096 instructions at most)";
  yield { state: "fine", what: `engine seccomp-ebpf: the kernel enforces, ${how}` };
  if (!denied.events.includes('"verdict":"deny"')) {
    yield { state: "missing", what: "engine seccomp-ebpf: a denial was not told", help: firstLines(denied.stderr) };
  }
  const forked = trial(context, "seccomp-ebpf", "children", "/bin/true; /bin/true");
  yield forked.status === 0
    ? { state: "fine", what: "engine seccomp-ebpf: processes have state of their own, and are counted" }
    : {
        state: "missing",
        what: "engine seccomp-ebpf: a policy with state does not work",
        help: firstLines(forked.events || forked.stderr),
      };
}

function firstLines(text: string | null): string | undefined {
  const lines = (text ?? "").trim().split("\n").slice(0, 2).join(" ");
  return lines === "" ? undefined : lines.slice(0, 300);
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}
