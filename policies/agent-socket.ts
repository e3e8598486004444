import { allow, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const agent = parameter.path("agent", { default: "/run/agent.sock" });
const byText = parameter.flag("by-text", { default: false });

/** Datagrams are sent by name, and engines hold objects for connect only. */
function send(to: SocketAddress): Verdict {
  return to.kind === "unix" || to.kind === "abstract" ? deny("EACCES", "no datagrams to Unix sockets") : allow;
}

/**
 * The command can connect to only one Unix socket: `--set agent=$SSH_AUTH_SOCK`. The policy judges the socket that a path
 * leads to, with links followed, and the command is connected to that one. Abstract sockets and datagrams to Unix sockets
 * are refused; other families are not restricted. The agent sees portcullis as its peer (SO_PEERCRED), of the same user.
 *
 * The agent is the socket at the given path at that moment. A user who can write to a directory of the path can put another
 * socket there, or a link to one: `run` reports this (P0609), and `--strict-paths` refuses to start. Give a path in a
 * directory of another user, or run the command as another user.
 *
 * With `--set by-text=true` also the engine seccomp-ebpf enforces it, which cannot see the object of a path: the path must
 * be the given one, byte by byte, and mounts are refused.
 */
export default policy({ extends: byText ? [steadyPaths] : [] }, (call) => {
  switch (call.name) {
    case "connect": {
      const { addr } = call.args;
      if (addr.kind === "unix") {
        const isAgent = byText ? addr.path.text.is(agent) : addr.path.resolved.is(agent);
        return isAgent ? allow : deny("EACCES", "not the socket of this policy");
      }
      return addr.kind === "abstract" ? deny("EACCES", "an abstract socket") : allow;
    }
    case "sendto":
      return send(call.args.addr);
    case "sendmsg":
      return send(call.args.msg.name);
    case "sendmmsg":
      return deny("ENOSYS", "carries many addresses");
  }
  return allow;
});
