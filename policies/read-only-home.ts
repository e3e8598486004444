import { allow, type Choice, calls, deny, type IoctlRequest, parameter, policy, type Verdict } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";

const below = parameter.paths("below", { default: ["/tmp"] });
const metadata = parameter.flag("metadata", { default: true });

// The kernel writes to a file later, or a program changes the kernel or a file system itself.
const never = calls(
  "@swap",
  "@module",
  "@raw-io",
  "acct",
  "bpf",
  "quotactl",
  "quotactl_fd",
  "kexec_load",
  "kexec_file_load",
  "mount_setattr",
);
const changesMetadata = calls(
  "chmod",
  "fchmod",
  "fchmodat",
  "fchmodat2",
  "chown",
  "lchown",
  "fchown",
  "fchownat",
  "utime",
  "utimes",
  "futimesat",
  "utimensat",
  "setxattr",
  "lsetxattr",
  "fsetxattr",
  "setxattrat",
  "removexattr",
  "lremovexattr",
  "fremovexattr",
  "removexattrat",
  "file_setattr",
);
const nodes = calls("mknod", "mknodat");

// The second byte of a command of ioctl is its driver's. No file system of the kernel has a command with one of these.
const drivers = [
  0x5400n, // terminals, and what all descriptors have, such as FIONBIO
  0x8900n, // sockets
  0x4100n, // sound
  0x4500n, // input
  0x5600n, // video
  0x6400n, // graphics
  0x2400n, // perf_event_open
  0xaa00n, // userfaultfd
  0xae00n, // virtual machines
  0xb700n, // namespaces
  0xff00n, // pidfds
];
// Commands of files that only read, and clones, whose changed file must be open for writing (include/uapi/linux).
const reading = [
  0x4020_940dn, // FICLONERANGE
  0xc020_660bn, // FS_IOC_FIEMAP
  0x801c_581fn, // FS_IOC_FSGETXATTR
  0x8100_9431n, // FS_IOC_GETFSLABEL
  0x8011_1500n, // FS_IOC_GETFSUUID
  0x400c_6615n, // FS_IOC_GET_ENCRYPTION_POLICY
  0xc009_6616n, // FS_IOC_GET_ENCRYPTION_POLICY_EX
  0xc004_6686n, // FS_IOC_MEASURE_VERITY
  0xc068_6611n, // PROCMAP_QUERY
  0x8004_7210n, // FAT_IOCTL_GET_ATTRIBUTES
  0x8230_7201n, // VFAT_IOCTL_READDIR_BOTH
];

function isDevice(mode: bigint): boolean {
  return (mode & 0o170000n) === 0o020000n || (mode & 0o170000n) === 0o060000n;
}

function controls(command: Choice<IoctlRequest>): Verdict {
  if (command.is("TIOCSTI", "TIOCLINUX")) return deny("EPERM", "types into the terminal");
  if (drivers.includes(command.value & 0xff00n) || reading.includes(command.value)) return allow;
  return command.is("FS_IOC_GETFLAGS", "FS_IOC_GETVERSION", "FICLONE", "FIGETBSZ", "BLKGETSIZE64", "BLKSSZGET")
    ? allow
    : deny("EPERM", "a command of ioctl that may change a file");
}

/**
 * Files can be created, changed, moved and removed only below the given directories, which must exist:
 * `--set below=/home/me/project,/tmp`. Reading is not restricted, nor are terminals and devices like /dev/null.
 *
 * Landlock decides (Linux 6.2), by the file that a path or a descriptor leads to: relative paths, "..", links and open
 * directories work, and lead nowhere else. A denied call fails with EACCES, or with EXDEV if it would move or link a file
 * over the border, and has no event. Nothing in the tree can mount.
 *
 * Landlock does not restrict metadata: modes, owners, times and extended attributes can be changed everywhere, of each file
 * that the user may change so. tar, cp -a, sed -i and python -m venv need such calls. `--set metadata=false` refuses all of
 * them, also below the directories.
 *
 * Landlock does not see what a command of ioctl changes in a file that is open for reading, and file systems have private
 * ones. So only the commands of terminals, sockets and other drivers pass, and those of files that only read; none that
 * types into the terminal. Devices cannot be made, because a device leads to a file system by another way.
 *
 * Files that are open for writing when the command starts stay writable. A file below the directories that has another hard
 * link elsewhere is one file. A server on a Unix socket (docker, systemd) may write for the command.
 */
export default policy({ extends: [isolated], files: { write: below, runtime: true } }, (call) => {
  if (never.has(call)) return deny("EPERM", "writes somewhere else");
  if (!metadata && changesMetadata.has(call)) return deny("EPERM", "changes metadata, which metadata=false refuses");
  if (nodes.has(call)) return isDevice(call.args.mode) ? deny("EPERM", "a device") : allow;
  return call.name === "ioctl" ? controls(call.args.cmd) : allow;
});
