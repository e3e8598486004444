import { allow, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const agent = parameter.path("agent", { default: "/run/agent.sock" });
const byText = parameter.flag("by-text", { default: false });

function reaches(to: SocketAddress): Verdict {
  if (to.kind === "abstract") return deny("EACCES", "an abstract socket");
  if (to.kind !== "unix" || !byText) return allow;
  return to.path.text.is(agent) ? allow : deny("EACCES", "not the socket of this policy");
}

/** Datagrams are sent by name. */
function sends(to: SocketAddress): Verdict {
  return to.kind === "abstract" || (to.kind === "unix" && byText)
    ? deny("EACCES", "no datagrams to Unix sockets")
    : allow;
}

/**
 * The command can connect to only one Unix socket: `--set agent=$SSH_AUTH_SOCK`. The socket that a path leads to counts, with
 * links followed. Abstract sockets, and datagrams to Unix sockets, are refused; other families are not restricted.
 *
 * From Linux 7.1 on the kernel enforces it (Landlock). On older kernels the engine `notify` connects the command to the
 * socket, so the agent sees portcullis as its peer (SO_PEERCRED), of the same user.
 *
 * The agent is the socket at the given path at that moment. A user who can write to a directory of the path can put another
 * socket there, or a link to one: `run` reports this (P0609), and `--strict-paths` refuses to start. Give a path in a
 * directory of another user, or run the command as another user.
 *
 * With `--set by-text=true` also the engine seccomp-ebpf enforces it, which cannot see the object of a path: the path must
 * be the given one, byte by byte, and mounts are refused.
 */
export default policy(byText ? { extends: [steadyPaths] } : { unix: { connect: [agent] } }, (call) => {
  switch (call.name) {
    case "connect":
      return reaches(call.args.addr);
    case "sendto":
      return sends(call.args.addr);
    case "sendmsg":
      return sends(call.args.msg.name);
    case "sendmmsg":
      return deny("ENOSYS", "carries many addresses");
  }
  return allow;
});
