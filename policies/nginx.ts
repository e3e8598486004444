import { allow, calls, deny, kill, perProcess, policy } from "portcullis";
import procMem from "portcullis/policies/shared/proc-mem.ts";
import { readOnlyProc } from "portcullis/policies/shared/read-only-proc.ts";

const phase = perProcess.phases(["starting", "listening", "worker", "serving"], {
  onFork: { listening: "worker" }, // a child of the process that listens is a worker
  tightening: true, // the compiler proves that no verdict becomes weaker in a later phase
});

// Frequent calls of nginx, allowed in any phase. They are stateless, so the kernel decides them by its bitmap.
const everyday = calls(
  "@default",
  "@basic-io",
  "@file-system",
  "@io-event",
  "@network-io",
  "@signal",
  "@timer",
  "@sync",
  "@aio",
  "wait4",
  "kill",
  "ioctl",
  "uname",
  "umask",
  "sysinfo",
  "madvise",
  "mremap",
  "sendfile",
  "prctl",
  "setsid",
  "setpriority",
  "sched_setaffinity",
  "sched_yield",
).without("execve", "execveat", "bind", "listen", "eventfd2", "fork", "vfork", "clone", "clone3", "@sandbox", "@chown");
const setup = calls("setuid", "setgid", "setgroups", "capset", "@chown");

/**
 * nginx reads its configuration, binds and forks; a worker drops root, then only serves. For Debian's nginx 1.26, as a
 * daemon or in the foreground. Other calls are denied, so a worker cannot trace its master (shared/isolated.ts), nor write
 * to the master's memory if both have one user (shared/read-only-proc.ts).
 */
export default policy({ extends: [procMem], readOnlyProc }, (call) => {
  if (everyday.has(call)) return allow;
  if (setup.has(call))
    return phase.is("serving") ? kill("process", "a serving worker used what only set-up needs") : allow;
  switch (call.name) {
    case "clone":
      return allow;
    case "bind":
      return phase.is("starting", "listening") ? allow : kill("process", "a worker opened a socket of its own");
    case "listen":
      if (phase.is("worker", "serving")) return kill("process", "a worker began to listen");
      phase.enter("listening");
      return allow;
    case "eventfd2": // a worker calls it once, when its event loop starts; the master calls epoll_create before it binds
      if (phase.is("worker")) phase.enter("serving");
      return allow;
    case "execve":
    case "execveat":
      return phase.is("starting")
        ? deny("EACCES", "nginx starts no program")
        : kill("process", "a hijacked nginx started a program");
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
  }
  return deny("EPERM", "not among the calls of nginx");
});
