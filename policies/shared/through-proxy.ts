import { allow, cidr, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";

const port = parameter.integer("proxy-port", { default: 3128n, from: 1n, to: 65_535n });
const proxy = cidr("127.0.0.1");
const netlinkRoute = 0n;

const IP_OPTIONS = 4n;
const routingHeaders = [5n, 6n, 57n]; // IPV6_2292RTHDR, IPV6_2292PKTOPTIONS, IPV6_RTHDR

function reach(to: SocketAddress): Verdict {
  switch (to.kind) {
    case "ip":
      return proxy.has(to.address) && to.port === port
        ? allow
        : deny("ENETUNREACH", "hosts are reached through the proxy only (HTTPS_PROXY, ALL_PROXY)");
    case "unspecified":
    case "other":
    case "vsock":
      return deny("EAFNOSUPPORT", "hosts are reached through the proxy only");
    case "none": // no address in this call: the socket was connected before, and judged then
    case "unix":
    case "abstract":
    case "unnamed":
    case "netlink":
      return allow;
  }
}

/**
 * The network that `run --hosts` and `hosts` leave to a tree that cannot have one of its own: TCP to the proxy's port of
 * 127.0.0.1. Datagrams, and so queries for names, other families, raw sockets and source routes are refused.
 *
 * Not restricted are Unix sockets, whose server may connect for the command, connections of others to a listening socket, and
 * sockets that the command inherits. A process with CAP_NET_ADMIN could lead the proxy's address elsewhere.
 */
export default policy({ extends: [isolated] }, (call) => {
  switch (call.name) {
    case "connect":
      // AF_UNSPEC ends the connection.
      return call.args.addr.kind === "unspecified" ? allow : reach(call.args.addr);
    case "sendto": // MSG_FASTOPEN connects here
      return reach(call.args.addr);
    case "sendmsg":
      return reach(call.args.msg.name);
    case "sendmmsg":
      return deny("ENOSYS", "carries many addresses");
    case "socket": {
      const { family, type, protocol } = call.args;
      if (family.is("AF_UNIX")) return allow;
      if (family.is("AF_NETLINK") && protocol === netlinkRoute) return allow;
      const isTcp = type.has("SOCK_STREAM") && (protocol === 0n || protocol === 6n);
      return family.is("AF_INET", "AF_INET6") && isTcp
        ? allow
        : deny("EAFNOSUPPORT", "hosts are reached through the proxy only, which also finds the addresses of names");
    }
    case "setsockopt": {
      const { level, optname } = call.args;
      return (level.is("SOL_IP") && optname === IP_OPTIONS) ||
        (level.is("SOL_IPV6") && routingHeaders.includes(optname))
        ? deny("EPERM", "a source route sends to another machine first")
        : allow;
    }
    case "setns":
      return deny("EPERM", "another network leads around the proxy");
  }
  return allow;
});
