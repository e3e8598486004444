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
 * With `--set deny-proc-mem=true` no process of the tree opens the memory of a process, which is a file: /proc/PID/mem,
 * /proc/self/task/TID/mem, /dev/mem. Who writes it makes another process of the same user do anything.
 *
 * A denial by the whole path can be bypassed; a denial by the last name cannot, because the kernel finds `mem` in a
 * directory of /proc by this name only. The last name is that of the path, or of the target of a symbolic link, which
 * therefore has no such target either. Links and mounts that others made, and descriptors that others hold, are not
 * covered. Other files named `mem` cannot be opened; directories can, by O_DIRECTORY.
 *
 * It is off by default: each open is then read behind its pointer, which takes about ten times as long on `notify`, and
 * fails there for a process whose memory portcullis cannot read.
 */
export default policy((call) =>
  denied && mayLeadToMemory(call) ? deny("EPERM", "could lead to the memory of a process") : allow,
);
