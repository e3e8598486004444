import { allow, type Call, calls, deny, type PathText, parameter, policy, type Text } from "portcullis";

const denied = parameter.flag("deny-proc-mem", { default: false });

const opens = calls("open", "openat");
const otherOpens = calls("creat", "openat2");
const links = calls("symlink", "symlinkat");
const hardLinks = calls("link", "linkat");
// A mounted file has the name of its mount point, and open_tree(2) opens a path like O_PATH.
const mounts = calls("@mount").without("chroot", "fchroot", "pivot_root", "umount2");

function isMemory(text: Text | PathText): boolean {
  return text.matches("mem", "**/mem");
}

function mayLeadToMemory(call: Call): boolean {
  if (opens.has(call)) return !call.args.flags.has("O_DIRECTORY") && isMemory(call.args.path.text);
  if (otherOpens.has(call)) return isMemory(call.args.path.text);
  if (links.has(call)) return isMemory(call.args.oldpath);
  if (hardLinks.has(call)) return isMemory(call.args.oldpath.text);
  return mounts.has(call);
}

/**
 * With `--set deny-proc-mem=true` no process of the tree can open a file with the memory of a process: /proc/PID/mem,
 * /proc/self/task/TID/mem, /dev/mem. A process that writes to one controls another process of the same user.
 *
 * A denial by the whole path can be bypassed; a denial by the last name cannot, because the kernel finds `mem` in a
 * directory of /proc by this name only. The last name can also come from the target of a symbolic link, so the policy
 * denies links with such a target. It does not cover links and mounts of other processes, and their descriptors. Other
 * files named `mem` cannot be opened; directories can, with O_DIRECTORY.
 *
 * It is off by default, because the policy must read the path of each open: on `notify` an open then takes about ten times
 * as long, and fails for a process whose memory portcullis cannot read.
 */
export default policy((call) =>
  denied && mayLeadToMemory(call) ? deny("EPERM", "could lead to the memory of a process") : allow,
);
