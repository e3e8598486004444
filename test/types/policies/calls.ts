// Tests the types of calls and their arguments. tsc must agree with every line; a missing expected error fails.
import {
  allow,
  type Call,
  type CallName,
  type CallOf,
  calls,
  cidr,
  deny,
  type Errno,
  type GroupName,
  kill,
  log,
  policy,
  strictest,
  trap,
  type Verdict,
} from "portcullis";

const files = calls("@file-system", "ioctl").without("@chown", "openat2");

export const name: CallName = "openat";
export const group: GroupName = "@system-service";
export const errno: Errno = "EHWPOISON";
// @ts-expect-error no such call
export const unknown: CallName = "openatt";
// @ts-expect-error no such errno
export const nothing: Errno = "EFOO";
// @ts-expect-error no such group
calls("@networkio");
// @ts-expect-error a set has at least one name
calls();
// @ts-expect-error no such family
calls.opens.has;

export function judge(call: Call): Verdict {
  // @ts-expect-error the call must be narrowed first
  if (call.args.flags.has("O_CREAT")) return allow;
  // @ts-expect-error no call has this name
  if (call.name === "openatt") return allow;
  // @ts-expect-error integers are bigint
  if (call.caller.uid === 0) return allow;
  if (call.name === "openat" && call.args.dirfd === -100n && call.args.path.isNull) return deny("EFAULT");
  // @ts-expect-error openat has no such argument
  if (call.name === "openat" && call.args.pathname.isNull) return deny("EFAULT");
  if (calls.open.has(call)) {
    if (call.name === "openat" || call.name === "open") {
      const { flags } = call.args;
      if (flags.has("O_CREAT", "O_EXCL") || flags.hasAny("O_WRONLY", "O_RDWR")) return log;
      if (flags.hasOnly("O_RDONLY", "O_CLOEXEC") || (flags.bits & 0o100n) !== 0n) return allow;
      // @ts-expect-error no such flag
      if (flags.has("O_CREATE")) return allow;
      // @ts-expect-error one name at least
      if (flags.has()) return allow;
      // @ts-expect-error flags are no choice
      if (flags.is("O_RDONLY")) return allow;
    }
    if (call.args.path.address > 0x1000n) return allow;
    if (call.args.path.text.is("/etc/shadow") || call.args.path.text.under("/srv", "/tmp")) return allow;
    // @ts-expect-error a path from the root
    if (call.args.path.text.under("srv")) return allow;
    // @ts-expect-error a path has no comparison of its own
    if (call.args.path === "/etc/shadow") return allow;
  }
  switch (call.name) {
    case "socket":
      return call.args.family.is("AF_UNIX", "AF_INET") && call.args.type.has("SOCK_STREAM")
        ? allow
        : strictest(deny("EACCES", "no other sockets"), log);
    case "clone":
      return call.args.flags.has("CLONE_THREAD") || call.args.flags.has("SIGCHLD") ? allow : trap();
    case "kill":
      // @ts-expect-error the name of a signal is a string
      if (call.args.sig.is(9n)) return allow;
      return call.args.sig.value === 9n ? kill("process", "no") : allow;
    case "read":
      // @ts-expect-error no engine pins this memory
      return call.args.buf.text.is("x") ? allow : log;
    case "connect": {
      const { addr } = call.args;
      // @ts-expect-error its kind is not known here
      if (addr.port === 443n) return allow;
      return addr.kind === "ip" && cidr("10.0.0.0/8").has(addr.address) && addr.port === 443n ? allow : log;
    }
    case "execve":
      // @ts-expect-error the index is an integer
      if (call.args.argv.at("0").is("git")) return allow;
      return call.args.argv.at(0n).is("git") && call.args.envp.has("PATH") ? allow : log;
    case "openat2":
      return call.args.how.resolve.has("RESOLVE_BENEATH") ? allow : log;
    case "getpid":
      // @ts-expect-error it has no arguments
      if (call.args.pid === 0n) return allow;
      return call.raw.arg0 === 0n && call.instructionPointer > 0n && call.number >= 0n ? allow : log;
  }
  // @ts-expect-error the case above has returned
  if (call.name === "socket") return allow;
  if (files.has(call)) {
    // @ts-expect-error the set excludes it
    if (call.name === "openat2") return allow;
    if (call.name === "ioctl" && call.args.cmd.is("TIOCSTI")) return deny("EPERM");
  }
  return call.architecture === "x86_64" ? allow : deny("ENOSYS");
}

export function forOne(call: CallOf<"read" | "write">): Verdict {
  return call.args.fd <= 2n ? allow : deny("EBADF");
}

// @ts-expect-error a string is not a verdict
export const verdict: Verdict = "allow";
// @ts-expect-error only a thread or a process can be killed
kill("group");
// @ts-expect-error every path needs a verdict
policy((call) => {
  if (call.name === "open") return allow;
});
// @ts-expect-error a policy returns verdicts
policy(() => true);

export default policy(judge);
