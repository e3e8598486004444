/** The addresses that a public name may not lead to: a name's owner chooses them, and could name this machine or its network. */
import { BlockList, isIP, isIPv6 } from "node:net";

/** The blocks of IANA's special-purpose registries (RFC 6890) that are not globally reachable. */
const special = {
  ipv4: [
    "0.0.0.0/8", // this network
    "10.0.0.0/8", // private
    "100.64.0.0/10", // carrier-grade NAT
    "127.0.0.0/8", // loopback
    "169.254.0.0/16", // link-local, with the metadata of clouds
    "172.16.0.0/12", // private
    "192.0.0.0/24", // protocol assignments
    "192.0.2.0/24", // documentation
    "192.88.99.0/24", // 6to4 relays
    "192.168.0.0/16", // private
    "198.18.0.0/15", // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24", // documentation
    "224.0.0.0/4", // multicast
    "240.0.0.0/4", // reserved, with broadcast
  ],
  // Only 2000::/3 is assigned for unicast; these are parts of it. All others, also ::ffff:0:0/96, 64:ff9b::/96, fc00::/7,
  // fe80::/10 and ff00::/8, are outside.
  ipv6: [
    "2001::/23", // protocol assignments, with Teredo
    "2001:db8::/32", // documentation
    "2002::/16", // 6to4: has an IPv4 address
    "3fff::/20", // documentation
  ],
} as const;

const notPublic = new BlockList();
const unicast = new BlockList();
for (const family of ["ipv4", "ipv6"] as const) {
  for (const block of special[family]) {
    const [net = "", prefix] = block.split("/");
    notPublic.addSubnet(net, Number(prefix), family);
  }
}
unicast.addSubnet("2000::", 3, "ipv6");

/** Whether the address is one of the Internet's. False for a text that is no address, and for one with a zone. */
export function isPublic(address: string): boolean {
  if (isIP(address) === 0 || address.includes("%")) return false;
  if (isIPv6(address)) return unicast.check(address, "ipv6") && !notPublic.check(address, "ipv6");
  return !notPublic.check(address, "ipv4");
}
