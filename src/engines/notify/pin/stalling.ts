/**
 * Finds whether reads of the confined tree's memory may never end. Another process decides when a page of a file on a FUSE
 * or file server arrives, or a page that userfaultfd(2) watches; until then a read of the page does not end. As long as
 * the tree cannot have such memory, the supervisor's loop itself reads its callers' memory. From then on threads read it
 * (native/addon/pin/reads.c).
 *
 * | such memory | detected |
 * | --- | --- |
 * | a mounted file system that is not known to be local | in /proc/self/mountinfo, at start |
 * | one that the tree mounts (mount, fsmount), or whose namespace it enters (setns) | the filter reports these calls |
 * | userfaultfd(2), without UFFD_USER_MODE_ONLY, with which reads of other processes fail at once | likewise |
 * | that of a file for which fanotify asks a listener of the tree (fanotify_init with a class; Linux 6.14) | likewise |
 * | userfaultfd by its device | by its permissions, at start; root's trees can take over the supervisor in other ways |
 * | a descriptor that a process outside the tree passes to it | never |
 *
 * Such a listener also decides about opens, and can itself wait for the supervisor. So from then on the supervisor opens no
 * file for a caller without a pin (preconditions.ts).
 */
import { accessSync, constants, readFileSync } from "node:fs";
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";

/** The calls with which a tree can get such memory, by the kernel's names. */
const stallingCalls = ["userfaultfd", "mount", "fsmount", "setns", "fanotify_init"] as const;

export const stallingNumbers = (architecture: ArchitectureName): readonly number[] =>
  stallingCalls.map((name) => numberOf(name, architecture)).filter((number) => number !== undefined);

/** UFFD_USER_MODE_ONLY (include/uapi/linux/userfaultfd.h). */
const userModeOnly = 1n;
/** FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT: the listener can decide about opens and reads. */
const decides = 4n | 8n;
/** MS_REMOUNT, MS_BIND, MS_MOVE, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: nothing new is mounted (fs/namespace.c). */
const mountsNothing = 32n | 4096n | 8192n | (0xfn << 17n);

/** Whether the call can give its caller such memory. */
export function mayStallBy(
  architecture: ArchitectureName,
  number: number,
  argument: (index: number) => bigint,
): boolean {
  if (number === numberOf("userfaultfd", architecture)) return (argument(0) & userModeOnly) === 0n;
  if (number === numberOf("mount", architecture)) return (argument(3) & mountsNothing) === 0n;
  if (number === numberOf("fanotify_init", architecture)) return (argument(0) & decides) !== 0n;
  return true;
}

/** File systems whose pages no other process can delay. Overlay is local if its layers are, which are mounted, too. */
const localSystems: ReadonlySet<string> = new Set(
  `autofs bcachefs binder binfmt_misc bpf btrfs cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs erofs exfat ext2
  ext3 ext4 f2fs fusectl hugetlbfs iso9660 jfs mqueue msdos nilfs2 nsfs ntfs3 overlay proc pstore ramfs resctrl rootfs
  rpc_pipefs securityfs selinuxfs smackfs squashfs sysfs tmpfs tracefs udf vfat xfs zfs`.split(/\s+/),
);

/** The types of the file systems in a mountinfo (proc_pid_mountinfo(5)) that are not known to be local. */
export function slowSystems(mountinfo: string): string[] {
  const types = mountinfo.split("\n").flatMap((line) => {
    const [, behind] = line.split(" - ");
    return behind === undefined ? [] : [behind.split(" ", 1)[0]!];
  });
  return [...new Set(types)].filter((type) => !localSystems.has(type));
}

/** Whether a tree that starts now can have such memory at once. If this cannot be determined, the answer is yes. */
export function mayStallAtStart(): boolean {
  if (process.geteuid?.() !== 0) {
    try {
      accessSync("/dev/userfaultfd", constants.R_OK | constants.W_OK);
      return true;
    } catch {
      // The device does not exist, or this user may not open it.
    }
  }
  try {
    return slowSystems(readFileSync("/proc/self/mountinfo", "utf8")).length > 0;
  } catch {
    return true;
  }
}
