import { allow, calls, deny, perProcess, policy } from "portcullis";

const forked = perProcess.flag(); // copied to children, so it holds for all later descendants
const accepted = perProcess.flag();

const identity = calls(
  "setuid",
  "setgid",
  "setgroups",
  "setreuid",
  "setregid",
  "setresuid",
  "setresgid",
  "setfsuid",
  "setfsgid",
  "capset",
);

/**
 * The order of a server's calls: sockets before children, identity before clients. After the first fork it may create only
 * sockets of AF_UNIX and AF_NETLINK, and after the first accepted connection it may not change its user.
 */
export default policy((call) => {
  if (identity.has(call))
    return accepted.get() ? deny("EPERM", "the identity is settled before the first client comes") : allow;
  switch (call.name) {
    case "socket":
      return !forked.get() || call.args.family.is("AF_UNIX", "AF_NETLINK")
        ? allow
        : deny("EACCES", "network sockets are made before the first fork");
    case "accept":
    case "accept4":
      accepted.set(true);
      return allow;
    case "fork":
    case "vfork":
      forked.set(true);
      return allow;
    case "clone":
      if (!call.args.flags.has("CLONE_THREAD")) forked.set(true);
      return allow;
    case "clone3":
      return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
  }
  return allow;
});
