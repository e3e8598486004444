import { allow, calls, deny, log, type PathText, parameter, perTree, policy } from "portcullis";
import buildStep from "portcullis/policies/build-step.ts";
import { secrets } from "portcullis/policies/shared/secrets.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const own = parameter.path("package", { default: "/srv/project/node_modules/package" });
const write = parameter.paths("write", { default: ["/tmp"] });
const read = parameter.paths("read", { default: ["/usr"] });
const execute = parameter.paths("execute", { default: ["/usr", "/bin"] });

const opens = calls("open", "openat", "creat");
const changes = calls("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "truncate");
const moves = calls("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat");
const sockets = calls("socket", "socketpair");
const sends = calls("sendto", "sendmsg", "sendmmsg");
const system = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/run"] as const;

const seen = perTree.flag();

// For events only: Landlock decides, by the file. The text of a relative path does not tell where it leads.
function isUnlistedWrite(text: PathText): boolean {
  return text.startsWith("/") && !text.under(own, ...write, "/dev", "/proc");
}
function isUnlistedRead(text: PathText): boolean {
  return text.startsWith("/") && !text.under(own, ...write, ...read, ...system);
}
function isUnlistedProgram(text: PathText): boolean {
  return text.startsWith("/") && !text.under(...execute);
}

/**
 * The script of a package writes in its own directory and below `write`, reads these, `read` and the system's files, and
 * executes programs below `execute` only: no file that it can write, unless a list names that, too. So it reads no
 * credential of its user. After it has opened one that `read` names, no process of the script connects.
 *
 * It has no network, unless `--set network=true` is given (then `run --hosts` limits it), reaches no server by a Unix socket,
 * and is a build step: at most `processes` processes, which neither listen, mount, nor trace each other.
 *
 * Landlock decides about files (Linux 6.2). An unlisted absolute path is an event "logged", because an ordinary user cannot
 * see Landlock's denials: the call was let through to it.
 *
 * Not held: metadata of files (chmod), names, code that a permitted program loads (`node file.js`, process.dlopen, the
 * dynamic linker as a program), and credentials in the environment, which `portcullis-script-shell` removes.
 */
export default policy(
  {
    extends: [buildStep, steadyPaths],
    files: { read: [own, ...write, ...read], write: [own, ...write], execute, runtime: true },
  },
  (call) => {
    if (opens.has(call)) {
      const { text } = call.args.path;
      if (text.is("/proc/portcullis-package-script"))
        // accept P0502: an answer, and no protection
        return deny("EACCES", "answers portcullis-script-shell, which asks whether it is under this policy");
      // The package can have files with such names.
      if (text.matches(...secrets) && !text.under(own, ...write)) {
        // accept P0502: Landlock decides by the file, and this makes an event
        if (!text.under(...read)) return deny("EACCES", "a credential");
        seen.set(true);
      }
      const writes = call.name === "creat" || call.args.flags.hasAny("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC");
      return (writes ? isUnlistedWrite(text) : isUnlistedRead(text)) ? log : allow;
    }
    if (changes.has(call)) return isUnlistedWrite(call.args.path.text) ? log : allow;
    if (moves.has(call)) return isUnlistedWrite(call.args.newpath.text) ? log : allow;
    if (sends.has(call)) return seen.get() ? deny("EACCES", "a credential was read before") : allow;
    if (sockets.has(call))
      // A socket of datagrams sends to any path, and a policy cannot read the addresses of sendmmsg.
      return call.args.family.is("AF_UNIX") && !call.args.type.hasAny("SOCK_STREAM", "SOCK_SEQPACKET")
        ? deny("EACCES", "a socket that sends to servers outside of the script")
        : allow;
    switch (call.name) {
      case "openat2":
        return deny("ENOSYS", "C libraries fall back to openat");
      case "connect":
        if (call.args.addr.kind === "unix" || call.args.addr.kind === "abstract")
          return deny("EACCES", "a server outside would act for the script");
        return seen.get() ? deny("EACCES", "a credential was read before") : allow;
      case "execve":
        return isUnlistedProgram(call.args.path.text) ? log : allow;
      case "memfd_create":
        // Landlock has no rule about a file without a name.
        return call.args.flags.has("MFD_NOEXEC_SEAL") ? allow : deny("ENOSYS", "could be executed");
    }
    return allow;
  },
);
