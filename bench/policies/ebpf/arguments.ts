import { allow, deny, policy } from "portcullis";

/** Typical argument conditions of container and service profiles. */
export default policy((call) => {
  switch (call.name) {
    case "socket":
      if (call.args.family.is("AF_UNIX", "AF_INET", "AF_INET6")) return allow;
      return call.args.family.is("AF_NETLINK") && call.args.protocol === 0n ? allow : deny("EAFNOSUPPORT");
    case "mmap":
    case "mprotect":
      return call.args.prot.has("PROT_WRITE") && call.args.prot.has("PROT_EXEC")
        ? deny("EACCES", "memory is written or executed, not both")
        : allow;
    case "clone":
      return call.args.flags.hasAny("CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWNET", "CLONE_NEWPID")
        ? deny("EPERM", "no new namespace")
        : allow;
    case "ioctl":
      return call.args.cmd.is("TIOCSTI", "TIOCLINUX", "TIOCSETD", "TIOCCONS")
        ? deny("EPERM", "types into the terminal")
        : allow;
    case "personality":
      switch (call.args.personality) {
        case 0n:
        case 8n:
        case 0x2_0000n:
        case 0x2_0008n:
        case 0xffff_ffffn:
          return allow;
      }
      return deny("EPERM");
    case "prlimit64":
      return call.args.pid === 0n || call.args.new_rlim.isNull ? allow : deny("EPERM", "limits of others");
    case "lseek":
      return call.args.offset < 0x1_0000_0000n && call.args.offset >= 0n ? allow : deny("EFBIG");
  }
  return allow;
});
