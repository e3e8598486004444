// Uses each common construct of policies once. tools/code-cache.cjs checks it, so that the code cache has the functions
// that a check needs. It is not meant to be run.
import { allow, calls, deny, kill, log, perProcess, perTree, policy, report, tree, type Verdict } from "portcullis";

const phase = perProcess.phases(["starting", "ready", "closing"]);
const refused = perTree.counter();
const quiet = perProcess.flag();
const opened = perTree.table({ capacity: 64n, full: deny("EAGAIN", "too many") });
const seen = perProcess.set({ capacity: 16n, full: kill("process") });
const invalid = deny("EINVAL");
const everyday = calls("@default", "@io-event").without("futex", "exit");
const ports = [80n, 443n];
const least = 3n;

function outside(value: bigint, most: bigint): boolean {
  return value < least || value > most;
}

function portOf(uid: bigint): bigint {
  let most = 10n;
  for (const port of ports) if (uid === port) most = port;
  return most;
}

function refuse(who: bigint): Verdict {
  seen.add(who);
  if (refused.add() > 1000n) report("refused often", { who });
  return refused.get() > 2000n ? deny("EPERM", "refused too often") : deny("EACCES");
}

export default policy((call) => {
  if (everyday.has(call)) return allow;
  const most = portOf(call.caller.uid);
  if (call.name === "openat" && call.args.flags.hasAny("O_CREAT", "O_TRUNC") && !quiet.get()) return refuse(most);
  switch (call.name) {
    case "socket":
      return call.args.family.is("AF_UNIX", "AF_NETLINK") && !call.args.type.has("SOCK_RAW") ? allow : deny("EACCES");
    case "open":
    case "openat":
      if (!call.args.flags.hasOnly("O_RDONLY", "O_CLOEXEC") || outside(call.args.mode, 448n)) return refuse(0n);
      opened.set(call.caller.pid, opened.get(call.caller.pid, 0n) & 0xffn);
      return allow;
    case "lseek":
      if ((call.args.offset > 100n && call.args.offset < 2000n - most) || call.args.offset === 7777n) return invalid;
      if (phase.is("ready", "closing") && call.args.fd === 7n) {
        refused.add();
        return deny("EBADF", "closed");
      }
      return log;
    case "listen":
      if (call.args.backlog > 100n) phase.enter("closing");
      else if (tree.alive() > 5n) quiet.set(true);
      else phase.enter("ready");
      return allow;
  }
  return seen.has(call.caller.tid) ? deny("ENOSYS", `not for ${"this one"}`) : allow;
});
