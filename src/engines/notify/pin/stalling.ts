/**
 * Whether memory of the confined tree may never come. A page of a mapped file of a FUSE or file server, and one that
 * userfaultfd(2) watches, comes when a process wants it to come; until then a read of it does not end. While the tree can
 * have no such memory, the supervisor's loop reads its callers' memory by itself; from then on threads read it
 * (native/addon/reads.c).
 *
 * | such memory | seen |
 * | --- | --- |
 * | a mounted file system that is not known to be local | in /proc/self/mountinfo, at start |
 * | one that the tree mounts (mount, fsmount), or whose namespace it enters (setns) | the filter asks about the calls |
 * | userfaultfd(2), without UFFD_USER_MODE_ONLY, with which reads of other processes fail at once | likewise |
 * | userfaultfd by its device | its permissions, at start; root's trees can take the supervisor over in other ways |
 * | a descriptor that a process outside of the tree passes to it | not at all |
 */
import { accessSync, constants, readFileSync } from "node:fs";
import type { ArchitectureName } from "../../../linux/architecture.ts";
import { numberOf } from "../../../linux/calls.ts";

/** The calls with which a tree can get such memory, by their kernels' names. */
const stallingCalls = ["userfaultfd", "mount", "fsmount", "setns"] as const;

export const stallingNumbers = (architecture: ArchitectureName): readonly number[] =>
  stallingCalls.map((name) => numberOf(name, architecture)).filter((number) => number !== undefined);

/** UFFD_USER_MODE_ONLY (include/uapi/linux/userfaultfd.h). */
const userModeOnly = 1n;
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
  return true;
}

/** File systems whose pages no other process holds back. What lies below overlay is mounted somewhere, too. */
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

/** Whether a tree that begins now can have such memory at once. What cannot be found out counts as yes. */
export function mayStallAtStart(): boolean {
  if (process.geteuid?.() !== 0) {
    try {
      accessSync("/dev/userfaultfd", constants.R_OK | constants.W_OK);
      return true;
    } catch {
      // It is not there, or not for this user.
    }
  }
  try {
    return slowSystems(readFileSync("/proc/self/mountinfo", "utf8")).length > 0;
  } catch {
    return true;
  }
}
