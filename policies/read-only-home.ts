import { allow, calls, deny, type PathText, parameter, policy, type Text, type Verdict } from "portcullis";
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
const never = calls("acct", "@swap", "quotactl", "quotactl_fd");

const AT_FDCWD = -100n;
// Commands that change a file or a directory that was opened for reading (include/uapi/linux).
const changing = [
  0x401c_5820n, // FS_IOC_FSSETXATTR
  0x4080_6685n, // FS_IOC_ENABLE_VERITY: nothing can write to the file any more
  0x800c_6613n, // FS_IOC_SET_ENCRYPTION_POLICY
  0x4004_7211n, // FAT_IOCTL_SET_ATTRIBUTES
  // Btrfs makes and removes subvolumes in a directory: SNAP_CREATE, SUBVOL_CREATE, SNAP_DESTROY, and their second versions
  0x5000_9401n,
  0x5000_940en,
  0x5000_940fn,
  0x5000_9417n,
  0x5000_9418n,
  0x5000_943fn,
  0x4008_941an, // BTRFS_IOC_SUBVOL_SETFLAGS
  0xc0c8_9425n, // BTRFS_IOC_SET_RECEIVED_SUBVOL
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
 * for the command. Of the commands of ioctl that change what was opened for reading, the policy refuses those of the
 * kernel's headers (attributes, verity, encryption, Btrfs's subvolumes); a file system may have others.
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
      return call.args.cmd.is("FS_IOC_SETFLAGS", "FS_IOC_SETVERSION") || changing.includes(call.args.cmd.value)
        ? deny("EPERM", "does not say which file it changes")
        : allow;
  }
  return allow;
});
