import { allow, calls, deny, perProcess, policy } from "portcullis";

const forked = perProcess.flag(); // copied to children, so it holds for all of the tree that comes after
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
 * A server's order of doing things: first its sockets, then its children; first its identity, then its clients.
 * After the first fork no new socket but of AF_UNIX and AF_NETLINK, and after the first accepted connection no change of user.
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
