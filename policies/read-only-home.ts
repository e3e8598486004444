import {
  allow,
  type Choice,
  calls,
  deny,
  type IoctlRequest,
  type PathText,
  parameter,
  policy,
  type Text,
  type Verdict,
} from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const below = parameter.paths("below", { default: ["/tmp"] });
const relative = parameter.flag("relative", { default: false });

const atPath = calls(
  "creat",
  "truncate",
  "chmod",
  "chown",
  "lchown",
  "setxattr",
  "lsetxattr",
  "removexattr",
  "lremovexattr",
  "utime",
  "utimes",
);
const atDirectory = calls("fchmodat", "fchmodat2", "fchownat", "utimensat", "futimesat");
const entries = calls("mkdir", "rmdir", "unlink");
const entriesAt = calls("mkdirat", "unlinkat");
// These change a file that was opened for reading, and a descriptor does not show its file.
const byDescriptor = calls("fchmod", "fchown", "fsetxattr", "fremovexattr");
// Since Linux 6.13; the engine seccomp-ebpf cannot judge their paths.
const young = calls("setxattrat", "removexattrat", "file_setattr");
// bpf pins objects as files of its own file system.
const never = calls("acct", "@swap", "bpf", "quotactl", "quotactl_fd");

const AT_FDCWD = -100n;
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

/** Only positive tests: a null pointer (utimensat changes the descriptor's file then) matches nothing. */
function inside(text: PathText, isFromHere: boolean): boolean {
  if (text.matches("..", "../**", "**/..", "**/../**")) return false;
  return text.under(...below) || (relative && isFromHere && text.matches("**") && !text.startsWith("/"));
}

/**
 * A name in one of the directories, but not a listed directory itself: a process could replace that by a link and so write
 * to the link's target. (The kernel refuses "/srv/." in all of these calls.)
 */
function entry(text: PathText, isFromHere: boolean): boolean {
  if (text.is(...below) || text.matches("**?//**") || below.some((one) => text.is(`${one}/`))) return false;
  return inside(text, isFromHere);
}

function writes(isInside: boolean): Verdict {
  // accept P0501: the descriptors of ftruncate and fallocate were opened for writing
  return isInside ? allow : deny("EROFS", "not below the directories of this policy");
}

/** `isRead`: the file is only read. Linux truncates a file that is opened with O_RDONLY | O_TRUNC. */
function opens(isRead: boolean, text: PathText, isFromHere: boolean): Verdict {
  if (isRead || text.is("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")) return allow;
  return writes(inside(text, isFromHere));
}

/** A relative target without ".." stays in the link's directory, even if the link is moved. */
function links(target: Text, isInside: boolean): Verdict {
  return target.startsWith("/") || target.matches("..", "../**", "**/..", "**/../**")
    ? deny("EROFS", "a link that may lead out of the directories of this policy")
    : writes(isInside);
}

function isPlain(mode: bigint): boolean {
  return (mode & 0o170000n) !== 0o020000n && (mode & 0o170000n) !== 0o060000n;
}

function controls(command: Choice<IoctlRequest>): Verdict {
  if (command.is("TIOCSTI", "TIOCLINUX")) return deny("EPERM", "types into the terminal");
  if (drivers.includes(command.value & 0xff00n) || reading.includes(command.value)) return allow;
  return command.is("FS_IOC_GETFLAGS", "FS_IOC_GETVERSION", "FICLONE", "FIGETBSZ", "BLKGETSIZE64", "BLKSSZGET")
    ? allow
    : deny("EPERM", "a command of ioctl that may change a file");
}

/**
 * Files can be created, changed and removed only below the given directories: `--set below=/home/me/project,/tmp`. Reading
 * is not restricted, nor are devices like /dev/null.
 *
 * A path must be absolute and without "..". With `--set relative=true` paths from the working directory are allowed, too;
 * then the command must be started below one of the directories, and its tree stays there: chdir works only into them, and
 * fchdir is refused. Paths from an open directory are refused, which `rm -r` uses.
 *
 * New symbolic links must have relative targets without "..", and new hard links must be to files below the directories.
 * Older links, and links of other processes, are followed: give existing directories that only this user can write. Files
 * that are open for writing when the command starts stay writable. A server on a Unix socket (docker, systemd) may write
 * for the command. Commands of ioctl can change what was opened for reading, and file systems have private ones. So only
 * those of terminals, sockets and other drivers pass, and those of files that only read; none that types into the terminal.
 *
 * A core dump is a file of the working directory. The tree cannot change its limit (RLIMIT_CORE), so ssh-agent, which sets
 * it to 0, does not start. A shell's limit is 0 on most systems; where it is not, start the command after `ulimit -c 0`.
 */
export default policy({ extends: [isolated, steadyPaths] }, (call) => {
  if (never.has(call)) return deny("EPERM", "writes somewhere else");
  if (young.has(call)) return deny("ENOSYS", "C libraries fall back to older calls");
  if (byDescriptor.has(call)) return deny("EPERM", "does not say which file it changes");
  if (atPath.has(call)) return writes(inside(call.args.path.text, true));
  if (atDirectory.has(call)) return writes(inside(call.args.path.text, call.args.dirfd === AT_FDCWD));
  if (entries.has(call)) return writes(entry(call.args.path.text, true));
  if (entriesAt.has(call)) return writes(entry(call.args.path.text, call.args.dirfd === AT_FDCWD));
  switch (call.name) {
    case "open": {
      const { flags, path } = call.args;
      return opens(flags.has("O_RDONLY") && !flags.hasAny("O_CREAT", "O_TRUNC"), path.text, true);
    }
    case "openat": {
      const { flags, path, dirfd } = call.args;
      return opens(flags.has("O_RDONLY") && !flags.hasAny("O_CREAT", "O_TRUNC"), path.text, dirfd === AT_FDCWD);
    }
    case "openat2":
      return deny("ENOSYS", "C libraries fall back to openat");
    case "mknod":
      return isPlain(call.args.mode) ? writes(entry(call.args.path.text, true)) : deny("EPERM", "a device");
    case "mknodat":
      return isPlain(call.args.mode)
        ? writes(entry(call.args.path.text, call.args.dirfd === AT_FDCWD))
        : deny("EPERM", "a device");
    case "link":
    case "rename":
      return writes(entry(call.args.oldpath.text, true) && entry(call.args.newpath.text, true));
    case "linkat":
    case "renameat":
    case "renameat2":
      return writes(
        entry(call.args.oldpath.text, call.args.olddirfd === AT_FDCWD) &&
          entry(call.args.newpath.text, call.args.newdirfd === AT_FDCWD),
      );
    case "symlink":
      return links(call.args.oldpath, entry(call.args.newpath.text, true));
    case "symlinkat":
      return links(call.args.oldpath, entry(call.args.newpath.text, call.args.newdirfd === AT_FDCWD));
    case "bind": // makes a file
      return call.args.addr.kind === "unix" ? writes(inside(call.args.addr.path.text, true)) : allow;
    case "chdir":
      return !relative || inside(call.args.path.text, true) ? allow : deny("EACCES", "leaves the directories");
    case "fchdir":
      return relative ? deny("EACCES", "does not say where it leads") : allow;
    // The kernel writes a core dump into the working directory.
    case "setrlimit":
      return call.args.resource.is("RLIMIT_CORE") ? deny("EPERM", "could permit core dumps") : allow;
    case "prlimit64":
      return call.args.resource.is("RLIMIT_CORE") && !call.args.new_rlim.isNull
        ? deny("EPERM", "could permit core dumps")
        : allow;
    case "ioctl":
      return controls(call.args.cmd);
  }
  return allow;
});
