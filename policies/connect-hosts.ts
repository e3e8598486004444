import { allow, cidr, deny, parameter, policy, type SocketAddress, type Verdict } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";

const hosts = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8", "::1/128"] }));
// A connection to port 0 is impossible, so 0 allows every port of the hosts.
const port = parameter.integer("port", { default: 0n, from: 0n, to: 65_535n });
const secondPort = parameter.integer("second-port", { default: port, from: 0n, to: 65_535n });
// A control message of a datagram can name another first hop, and a policy cannot read control messages.
const datagrams = parameter.flag("datagrams", { default: false });

const IP_OPTIONS = 4n;
const routingHeaders = [5n, 6n, 57n]; // IPV6_2292RTHDR, IPV6_2292PKTOPTIONS, IPV6_RTHDR

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
 * IP connections go only to the given blocks of addresses and ports: `--set hosts=10.20.0.0/16,fd00:20::/32 --set
 * port=5432`. ::ffff:10.20.0.1 is 10.20.0.1. The policy refuses raw and packet sockets, families that carry IP in another
 * way, and source routes, which send to another machine first.
 *
 * `--set datagrams=true` permits UDP to the same hosts. A hostile command can then bypass the policy: sendmsg's IP_RETOPTS
 * and IPV6_RTHDR, which a policy cannot read, send a datagram to another machine first. A name server is an ordinary host:
 * list it and permit datagrams, or let glibc use TCP (options use-vc), or resolve names through a Unix socket (nscd,
 * systemd-resolved's varlink).
 *
 * Not restricted are Unix sockets, whose server may connect for the command (docker, a proxy); connections of others to a
 * listening socket; and sockets that the command inherits or receives through a Unix socket.
 */
export default policy({ extends: [isolated] }, (call) => {
  switch (call.name) {
    case "connect":
      // AF_UNSPEC ends the connection. A datagram that is sent afterwards has an address.
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
      const isTcp = type.has("SOCK_STREAM") && (protocol === 0n || protocol === 6n);
      const isUdp = type.has("SOCK_DGRAM") && (protocol === 0n || protocol === 17n);
      if (!family.is("AF_INET", "AF_INET6")) return deny("EAFNOSUPPORT", "another kind of network");
      if (isUdp && !datagrams) return deny("EAFNOSUPPORT", "no datagrams: portcullis run --set datagrams=true");
      return isTcp || isUdp
        ? allow
        : deny("EAFNOSUPPORT", "raw sockets and other protocols do not say by connect where they send");
    }
    case "setsockopt": {
      const { level, optname } = call.args;
      return (level.is("SOL_IP") && optname === IP_OPTIONS) ||
        (level.is("SOL_IPV6") && routingHeaders.includes(optname))
        ? deny("EPERM", "a source route sends to another machine first")
        : allow;
    }
  }
  return allow;
});
