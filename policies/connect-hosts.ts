import { allow, cidr, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";

const hosts = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8", "::1/128"] }));
// 0 is no port that can be connected to: without ports, every port of the hosts is allowed.
const port = parameter.integer("port", { default: 0n, from: 0n, to: 65_535n });
const secondPort = parameter.integer("second-port", { default: port, from: 0n, to: 65_535n });

function reach(to: SocketAddress): Verdict {
  switch (to.kind) {
    case "ip":
    case "unspecified":
      return hosts.has(to.address) && (port === 0n || to.port === port || to.port === secondPort)
        ? allow
        : deny("ENETUNREACH", "not among the hosts and ports of this policy");
    case "other":
    case "vsock":
      return deny("EAFNOSUPPORT", "another kind of network");
    case "none": // no address in this call: the socket was connected before, and judged then
    case "unix":
    case "abstract":
    case "unnamed":
    case "netlink":
      return allow;
  }
}

/**
 * IP connections and datagrams go to the given blocks of addresses and ports, and nowhere else: `--set
 * hosts=10.20.0.0/16,fd00:20::/32 --set port=5432`. Unix sockets are free. ::ffff:10.20.0.1 is 10.20.0.1. Raw and packet
 * sockets, and families that carry IP in another way, are refused. A name server is a host like any other: list it, or
 * resolve names through a Unix socket (nscd, systemd-resolved's varlink).
 */
export default policy((call) => {
  switch (call.name) {
    case "connect":
      // AF_UNSPEC takes the connection back. What is sent afterwards has an address.
      return call.args.addr.kind === "unspecified" ? allow : reach(call.args.addr);
    case "sendto": // MSG_FASTOPEN connects here
      return reach(call.args.addr);
    case "sendmsg":
      return reach(call.args.msg.name);
    case "sendmmsg":
      return deny("ENOSYS", "carries many addresses; for glibc's resolver set options single-request");
    case "socket": {
      const { family, type, protocol } = call.args;
      if (family.is("AF_UNIX", "AF_NETLINK")) return allow;
      const isPlain = type.hasAny("SOCK_STREAM", "SOCK_DGRAM") && [0n, 6n, 17n].includes(protocol); // TCP and UDP
      return family.is("AF_INET", "AF_INET6") && isPlain
        ? allow
        : deny("EAFNOSUPPORT", "raw sockets and other protocols do not say by connect where they send");
    }
  }
  return allow;
});
