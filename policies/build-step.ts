import { allow, calls, deny, parameter, policy, tree, type Verdict } from "portcullis";
import isolation, { isolated } from "portcullis/policies/shared/isolated.ts";
import { makesNamespace } from "portcullis/policies/shared/namespaces.ts";

const network = parameter.flag("network", { default: false });
const processes = parameter.integer("processes", { default: 256n, from: 1n, to: 100_000n });

const never = calls(
  "listen",
  "@mount",
  "@module",
  "@raw-io",
  "@reboot",
  "@swap",
  "@clock",
  "@keyring",
  "accept",
  "accept4",
  "bpf",
  "setns",
  "unshare",
  "userfaultfd",
  "perf_event_open",
  "fanotify_init",
  "open_by_handle_at",
  "name_to_handle_at",
);
const PERSONALITY_READ = 0xffff_ffffn; // changes nothing
const ADDR_NO_RANDOMIZE = 0x4_0000n; // include/uapi/linux/personality.h
const transports = [0n, 6n, 17n]; // the type's default, TCP, UDP: not MPTCP, SCTP or SMC, which have the same types
const forgery = calls("mknod", "mknodat"); // denied for device nodes, allowed for pipes and plain files

function birth(): Verdict {
  return tree.alive() < processes ? allow : deny("EAGAIN", "more processes than a build step needs");
}

/**
 * A package's build script may run compilers and other programs, write files, and (`--set network=true`) make
 * connections. It may not listen, mount, load modules or write input to its terminal, and its processes may not trace
 * each other (`isolated`: `--set isolated=false` for tests that run a debugger, which also switches the randomization of
 * addresses off and on).
 */
export default policy({ extends: [isolation] }, (call) => {
  if (never.has(call)) return deny("EPERM", "no build step listens, mounts or loads modules");
  if (call.name === "personality") {
    const { personality } = call.args;
    const forDebuggers = !isolated && (personality === 0n || personality === ADDR_NO_RANDOMIZE);
    return personality === PERSONALITY_READ || forDebuggers
      ? allow
      : deny("EPERM", "no build step changes its execution domain");
  }
  if (forgery.has(call))
    return (call.args.mode & 0o170000n) === 0o020000n || (call.args.mode & 0o170000n) === 0o060000n
      ? deny("EPERM", "no build step makes a device")
      : allow;
  switch (call.name) {
    case "socket":
      if (call.args.family.is("AF_UNIX")) return allow;
      if (call.args.family.is("AF_NETLINK") && call.args.protocol === 0n) return allow; // lists this machine's interfaces
      if (!network) return deny("EACCES", "this build has no network: portcullis run --set network=true");
      return call.args.family.is("AF_INET", "AF_INET6") &&
        call.args.type.hasAny("SOCK_STREAM", "SOCK_DGRAM") &&
        transports.includes(call.args.protocol)
        ? allow
        : deny("EACCES", "a build speaks TCP and UDP");
    case "fork":
    case "vfork":
      return birth();
    case "clone":
      if (makesNamespace(call)) return deny("EPERM", "no build step makes a namespace");
      return call.args.flags.has("CLONE_THREAD") ? allow : birth();
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
    case "ioctl":
      return call.args.cmd.is("TIOCSTI", "TIOCLINUX", "TIOCSETD", "TIOCCONS")
        ? deny("EPERM", "types into the terminal")
        : allow;
  }
  return allow;
});
