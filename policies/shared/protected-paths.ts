import {
  allow,
  calls,
  deny,
  type PathText,
  parameter,
  perProcess,
  policy,
  strictest,
  type Text,
  type Verdict,
} from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

/** Names of protected files and directories, in any directory. */
const names = parameter.texts("protected-names", { default: [] });
/** Names of directories that have protected entries, at any depth. */
const folders = parameter.texts("protected-folders", { default: [] });
/** Names of these entries. */
const entries = parameter.texts("protected-entries", { default: [] });
/** Names of directories above, which cannot be renamed. */
const above = parameter.texts("protected-above", { default: [] });

const AT_FDCWD = -100n;

/** The process or one that it comes from has named a guarded file or directory in an open, so it may have its descriptor. */
// accept P0602: recvmsg can bring descriptors
const near = perProcess.flag();
/** The same for a directory of /proc that has the descriptors of a process. */
const lists = perProcess.flag();

const refusal = deny("EACCES", "files.protect: a name of a protected file or directory");
const guarded = deny("EACCES", "files.protect: the name of a directory with protected entries");
const byDescriptor = deny("EACCES", "files.protect: the descriptor may lead to a protected file or directory");

const anywhere = (list: readonly string[]): readonly string[] => list.map((name) => `{,**/}${name}{,/**}`);
const guards = [...anywhere(names), ...anywhere(folders)];
const nameGlobs = anywhere(names);
const folderGlobs = anywhere(folders);
const entryGlobs = anywhere(entries);
/** The last name; the kernel ignores slashes after it, and refuses "." as the last name of a rename. */
const aboveGlobs = above.map((name) => `{,**/}${name}{,/}`);

/** The whole text leads into a guarded directory, or to a protected file. */
const isGuarded = (text: PathText | Text): boolean => guards.some((glob) => text.matches(glob));
const isProtected = (text: PathText | Text): boolean =>
  nameGlobs.some((glob) => text.matches(glob)) ||
  (folderGlobs.some((glob) => text.matches(glob)) && entryGlobs.some((glob) => text.matches(glob)));

/** A link of procfs, behind which an object lies that the text does not name. */
const isDescriptor = (text: PathText | Text): boolean =>
  text.matches("{,**/}fd/{,**/}[0-9]*{,/**}", "{,**/}map_files/**");
/** Descriptors of the process itself, which lead to a guarded object only if it is near. */
const isOwn = (text: PathText): boolean => text.matches("/{dev,proc/self}/fd/[0-9]{,[0-9]}");
const isStream = (text: PathText): boolean => text.matches("{,**/}std{in,out,err}{,/**}");
const isProc = (text: PathText | Text): boolean => text.matches("{,**/}proc{,/**}", "{,**/}fd{,/**}");
const isNumber = (text: PathText): boolean => text.matches("[0-9]*{,/**}");

/** A call that changes what this text names. */
function change(dirfd: bigint, text: PathText): Verdict {
  // accept P0501: ftruncate and fallocate need a descriptor that is open for writing
  // accept P0502: the policy knows names, as its head says; here and below
  if (isProtected(text)) return refusal;
  // accept P0501: see above
  // accept P0502: see above
  if (isDescriptor(text) && (near.get() || !isOwn(text))) return byDescriptor;
  // accept P0502: see above
  if (near.get() && isStream(text)) return byDescriptor;
  if (dirfd === AT_FDCWD || text.startsWith("/")) return allow;
  return near.get() || (lists.get() && isNumber(text)) ? byDescriptor : allow;
}

/** A file gets another name, which does not say where it was. */
function move(from: PathText, to: PathText): Verdict {
  // accept P0502: see above
  if (from.matches("**//", ...aboveGlobs) || to.matches("**//", ...aboveGlobs)) return guarded;
  // accept P0502: see above
  return isGuarded(from) === isGuarded(to)
    ? allow
    : // accept P0502: see above
      deny("EXDEV", "files.protect: nothing moves into or out of a directory with protected entries");
}

function link(target: Text, text: PathText): Verdict {
  if (isGuarded(target) || isDescriptor(target) || isProc(target)) return guarded;
  // accept P0502: see above
  return isGuarded(text) && entryGlobs.some((glob) => target.matches(glob)) ? guarded : allow;
}

/** Remembers what an open can leave in the process. */
function remember(text: PathText): void {
  if (isGuarded(text) || (isDescriptor(text) && !isOwn(text)) || (lists.get() && isNumber(text))) near.set(true);
  if (text.matches("{,**/}fd{,/}", "{,**/}fd/.", "**//")) lists.set(true);
}

const never = calls(
  "@swap",
  "acct",
  "bpf",
  "quotactl",
  "quotactl_fd",
  "fanotify_init",
  "name_to_handle_at",
  "mount_setattr",
  "pidfd_getfd",
);
const byPath = calls(
  "creat",
  "truncate",
  "mkdir",
  "mknod",
  "unlink",
  "rmdir",
  "chmod",
  "chown",
  "lchown",
  "utime",
  "utimes",
  "setxattr",
  "lsetxattr",
  "removexattr",
  "lremovexattr",
);
const byDirectory = calls(
  "mkdirat",
  "mknodat",
  "unlinkat",
  "fchmodat",
  "fchmodat2",
  "fchownat",
  "futimesat",
  "utimensat",
  "setxattrat",
  "removexattrat",
  "file_setattr",
);
const ofDescriptor = calls("fchdir", "fchmod", "fchown", "fsetxattr", "fremovexattr");
const receives = calls("recvmsg", "recvmmsg");

/**
 * Files and directories cannot be changed, made, moved or removed by their names, where no mounts can protect them
 * (`files.protect`, docs/language.md). `run` adds this policy then, with the names of the protected paths.
 *
 * The kernel finds an object below a directory by its name only, unless a process is in the directory, has a descriptor of it,
 * or a link leads there. So the policy refuses each change whose text contains a protected name, each way into a guarded
 * directory (chdir, moves, links), and, in a process that has named a guarded file in an open, and in its descendants, each
 * change by a descriptor.
 *
 * It knows names and not places: `.npmrc` is refused in each directory, and a repository that the tree makes has no
 * configuration. Links that exist before, and the race of a thread that replaces a descriptor while another uses it, are not
 * refused. Each call that opens or changes a file by its path is supervised.
 */
export default policy({ extends: [isolated, steadyPaths] }, (call) => {
  if (never.has(call)) return deny("EPERM", "files.protect: could reach a file without its name");
  if (receives.has(call)) {
    near.set(true); // a message can carry descriptors
    return allow;
  }
  if (ofDescriptor.has(call)) return near.get() || (call.name === "fchdir" && lists.get()) ? byDescriptor : allow;
  if (byPath.has(call)) return change(AT_FDCWD, call.args.path.text);
  if (byDirectory.has(call)) return change(call.args.dirfd, call.args.path.text);
  switch (call.name) {
    case "open":
    case "openat": {
      const { path, flags } = call.args;
      const changes = flags.hasAny("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC");
      const verdict = changes ? change(call.name === "openat" ? call.args.dirfd : AT_FDCWD, path.text) : allow;
      if (!(changes && isProtected(path.text))) remember(path.text);
      return verdict;
    }
    case "openat2":
      return deny("ENOSYS", "C libraries fall back to openat");
    case "chdir": {
      const { text } = call.args.path;
      // accept P0502: see above
      return isGuarded(text) || isProc(text) || isDescriptor(text) ? guarded : allow;
    }
    case "rename":
      return strictest(
        change(AT_FDCWD, call.args.oldpath.text),
        change(AT_FDCWD, call.args.newpath.text),
        move(call.args.oldpath.text, call.args.newpath.text),
      );
    case "link":
      return strictest(
        change(AT_FDCWD, call.args.oldpath.text),
        change(AT_FDCWD, call.args.newpath.text),
        move(call.args.oldpath.text, call.args.newpath.text),
      );
    case "renameat":
    case "renameat2":
      return strictest(
        change(call.args.olddirfd, call.args.oldpath.text),
        change(call.args.newdirfd, call.args.newpath.text),
        move(call.args.oldpath.text, call.args.newpath.text),
      );
    case "linkat":
      // A descriptor, or the object behind a link of procfs, would get a name.
      if (call.args.flags.bits !== 0n) return byDescriptor;
      return strictest(
        change(call.args.olddirfd, call.args.oldpath.text),
        change(call.args.newdirfd, call.args.newpath.text),
        move(call.args.oldpath.text, call.args.newpath.text),
      );
    case "symlink":
      return strictest(change(AT_FDCWD, call.args.newpath.text), link(call.args.oldpath, call.args.newpath.text));
    case "symlinkat":
      return strictest(
        change(call.args.newdirfd, call.args.newpath.text),
        link(call.args.oldpath, call.args.newpath.text),
      );
    case "bind":
      return call.args.addr.kind === "unix" ? change(AT_FDCWD, call.args.addr.path.text) : allow;
    case "clone": {
      const { flags } = call.args;
      // accept P0501: fork and vfork share no descriptors
      return flags.has("CLONE_FILES") && !flags.has("CLONE_THREAD") ? byDescriptor : allow;
    }
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
    case "unshare":
      return deny("EPERM", "files.protect: a tree whose files are protected by their names makes no namespace");
    case "ioctl":
      return near.get() && (call.args.cmd.is("FS_IOC_SETFLAGS") || call.args.cmd.value === 0x401c_5820n)
        ? byDescriptor
        : allow;
  }
  return allow;
});
