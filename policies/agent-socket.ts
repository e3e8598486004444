import { allow, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const agent = parameter.path("agent", { default: "/run/agent.sock" });
const byText = parameter.flag("by-text", { default: false });

/** Datagrams are sent by name, and no engine holds the object of such a name. */
function send(to: SocketAddress): Verdict {
  return to.kind === "unix" || to.kind === "abstract" ? deny("EACCES", "no datagrams to Unix sockets") : allow;
}

/**
 * Of all Unix sockets the command reaches one: `--set agent=$SSH_AUTH_SOCK`. A path counts by the socket that it leads to,
 * links included, so another socket that is moved to that path in between is not reached. Abstract sockets and datagrams
 * to Unix sockets are refused; other families are free. The agent sees portcullis as its peer (SO_PEERCRED), of the same
 * user.
 *
 * With `--set by-text=true` the engine seccomp-ebpf enforces it, too, which cannot see where a path leads: the path must be
 * the given one, byte by byte, and mounts are refused. A user who can write to a directory on the way to the socket can then
 * put another one there; `run` says so (P0609), and `--strict-paths` refuses to start.
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
