/** Examines the engine `notify` for `doctor`: which parts work on this machine, and which are slow. */

import { release } from "node:os";
import { kernelAtLeast } from "../../abi/kernel-version.ts";
import { readProc, sysctl } from "../../machine/proc.ts";
import { firstLines, hasDenial, type Trial } from "../engine/description.ts";
import type { Finding } from "../engine/finding.ts";

export function* examineNotify(start: Trial): Generator<Finding, boolean> {
  const kernel = release();
  if (!kernelAtLeast(kernel, 5, 9)) {
    yield {
      state: "missing",
      what: "this kernel is older than Linux 5.9",
      help: "the engine answers calls with SECCOMP_USER_NOTIF_FLAG_CONTINUE and waits for the end with POLLHUP",
    };
    return false;
  }
  yield* costs(kernel);
  yield* surroundings(readProc("self/status") ?? "");
  yield* yama(sysctl("kernel/yama/ptrace_scope") ?? 0);
  return yield* trials(start);
}

/** The improvements of newer kernels. The engine probes for the features; these findings only explain its speed. */
function* costs(kernel: string): Generator<Finding> {
  if (!kernelAtLeast(kernel, 6, 6)) {
    yield {
      state: "note",
      what: "a supervised call takes some 40 µs here instead of 6",
      help: "SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP came with Linux 6.6",
    };
  }
  if (!kernelAtLeast(kernel, 6, 9)) {
    yield {
      state: "note",
      what: "the supervisor identifies the thread again at each call",
      help: "PIDFD_THREAD came with Linux 6.9",
    };
  }
}

function* surroundings(status: string): Generator<Finding> {
  const filters = Number(/^Seccomp_filters:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  if (filters > 0) {
    yield {
      state: "note",
      what: `${filters} seccomp filter${filters === 1 ? " is" : "s are"} already in force on portcullis itself`,
      help: "a call that such a filter denies does not reach the policy, and is not an event",
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

function* yama(scope: number): Generator<Finding> {
  if (scope < 2) return;
  yield {
    state: "missing",
    what: `kernel.yama.ptrace_scope is ${scope}: new processes cannot be followed, and a signal can end a supervised call (EINTR)`,
    help: "policies that copy state to children, or count processes, refuse to fork here: sysctl kernel.yama.ptrace_scope=1",
  };
}

function* trials(start: Trial): Generator<Finding, boolean> {
  const plain = start("exec-once", "exit 7");
  if (plain.status !== 7) {
    yield { state: "missing", what: "no command can be started", help: firstLines(plain.stderr) };
    return false;
  }
  yield { state: "fine", what: "a command runs under a classic filter" };

  const denied = start("exec-once", "exec /bin/true");
  if (denied.status === 126 && hasDenial(denied)) {
    yield { state: "fine", what: "a supervisor answers calls, and reports denials" };
  } else if (denied.status === 126) {
    yield {
      state: "missing",
      what: "an outer sandbox already has a supervisor (EBUSY)",
      help: "policies without state work, without events; those with state refuse to start. Start portcullis outside the other sandbox (a container's, systemd's, another portcullis's)",
    };
  } else {
    yield { state: "missing", what: "a denial did not arrive", help: firstLines(denied.stderr) };
  }

  const forked = start("children", "/bin/true; /bin/true");
  if (forked.status === 0) {
    yield { state: "fine", what: "portcullis follows new processes and their state" };
  } else {
    yield {
      state: "missing",
      what: "new processes cannot be followed",
      help:
        firstLines(forked.events || forked.stderr) ?? "ptrace is refused: another tracer, or kernel.yama.ptrace_scope",
    };
  }
  return true;
}
