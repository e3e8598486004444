/** Makes conditions of recorded socket addresses, on their kinds, ports, networks and names. */
import { jsonText } from "../diagnostics/width.ts";
import { readSocketAddress, type SocketAddress } from "../ir/observe.ts";
import { printBlock } from "../patterns/cidr.ts";
import { bytesOf, utf8 } from "./aspects.ts";
import { textPatterns } from "./paths.ts";

/** Addresses of one kind with alternative conditions on `to`, as policies write them. */
export interface AddressCase {
  readonly kind: SocketAddress["kind"];
  /** All of them hold. An empty list admits every address of the kind. */
  readonly conditions: readonly AddressCondition[];
}

/** `subject.method(...values)`, or `subject >= value` */
export interface AddressCondition {
  /** One of them holds. */
  readonly any: readonly { readonly subject: string; readonly method: string; readonly values: readonly string[] }[];
}

/** A destination that a trigger on a socket address can name. */
export interface Destination {
  /** A unique description for the user: `port 80`. */
  readonly name: string;
  /** Conditions on an address `subject`, as policies write them; all of them hold. */
  conditions(subject: string): readonly string[];
}

/** Destinations from the narrow to the wide. */
export function destinationsOf(bytes: string): readonly Destination[] {
  const { kind, port, address, name } = readSocketAddress(bytesOf(bytes));
  const is = (subject: string) => `${subject}.kind === "${kind}"`;
  const text = utf8(name);
  switch (kind) {
    case "ip": {
      const hasPort = (subject: string) => `${subject}.port === ${port}n`;
      const block = { address: (address.high << 64n) | address.low, prefix: 128 };
      const whole = printBlock(block);
      return [
        {
          name: `${whole.replace(/\/\d+$/, "")} port ${port}`,
          conditions: (subject) => [is(subject), hasPort(subject), `cidr(${jsonText(whole)}).has(${subject}.address)`],
        },
        { name: `port ${port}`, conditions: (subject) => [is(subject), hasPort(subject)] },
        { name: kind, conditions: (subject) => [is(subject)] },
      ];
    }
    case "unix":
    case "abstract": {
      const pattern = kind === "unix" ? ".path.text" : ".name";
      const named: Destination[] =
        text === undefined
          ? []
          : [
              {
                name: `${kind} ${text}`,
                conditions: (subject) => [is(subject), `${subject}${pattern}.is(${jsonText(text)})`],
              },
            ];
      return [...named, { name: kind, conditions: (subject) => [is(subject)] }];
    }
    case "netlink":
    case "vsock":
    case "unnamed":
    case "unspecified":
      return [{ name: kind, conditions: (subject) => [is(subject)] }];
    case "none":
    case "other":
      return [];
  }
}

const mostPorts = 8;
/** From here on Linux assigns ports by itself (net.ipv4.ip_local_port_range): each run has others. */
const firstAssigned = 32768n;
const mostAddresses = 8;
/** Larger networks make no useful rule. */
const shortestPrefix = { v4: 8, v6: 16 };

/** `addresses`: each a `struct sockaddr`, one byte in each character; null for no address. */
export function addressCases(addresses: readonly (string | null)[]): readonly AddressCase[] {
  const byKind = new Map<SocketAddress["kind"], SocketAddress[]>();
  for (const address of addresses) {
    const read = readSocketAddress(address === null ? new Uint8Array(0) : bytesOf(address));
    byKind.set(read.kind, [...(byKind.get(read.kind) ?? []), read]);
  }
  return [...byKind].map(([kind, list]) => ({ kind, conditions: conditionsOf(kind, list) }));
}

function conditionsOf(kind: SocketAddress["kind"], list: readonly SocketAddress[]): readonly AddressCondition[] {
  switch (kind) {
    case "ip":
      return [...ports(list), ...networks(list)];
    case "unix":
      return names(list, "to.path.text", true);
    case "abstract":
      return names(list, "to.name", false);
    case "other": {
      const families = [...new Set(list.map(({ family }) => `${family}n`))];
      return [{ any: [{ subject: `[${families.join(", ")}]`, method: "includes", values: ["to.family"] }] }];
    }
    case "unnamed":
    case "unspecified":
    case "none":
    case "netlink":
    case "vsock":
      return [];
  }
}

function ports(addresses: readonly SocketAddress[]): AddressCondition[] {
  const found = [...new Set(addresses.map(({ port }) => port))].sort((a, b) => (a < b ? -1 : 1));
  const assigned = found.filter((port) => port >= firstAssigned);
  // One alone may be the fixed port of a service.
  const isRange = assigned.length > 1;
  const exact = isRange ? found.filter((port) => port < firstAssigned) : found;
  if (exact.length > mostPorts) return [];
  const list = `[${exact.map((port) => `${port}n`).join(", ")}]`;
  return [
    {
      any: [
        ...(exact.length > 0 ? [{ subject: list, method: "includes", values: ["to.port"] }] : []),
        ...(isRange ? [{ subject: "to.port", method: ">=", values: [`${firstAssigned}n`] }] : []),
      ],
    },
  ];
}

function networks(list: readonly SocketAddress[]): AddressCondition[] {
  const words = [...new Set(list.map(({ address }) => (address.high << 64n) | address.low))];
  const v4 = words.filter((word) => word >> 32n === 0xffffn);
  const v6 = words.filter((word) => word >> 32n !== 0xffffn);
  const blocks = [...blocksOf(v4, 96 + shortestPrefix.v4), ...blocksOf(v6, shortestPrefix.v6)];
  if (blocks.length < (v4.length > 0 ? 1 : 0) + (v6.length > 0 ? 1 : 0)) return [];
  const texts = blocks.map((block) => jsonText(printBlock(block)));
  return [{ any: [{ subject: `cidr(${texts.join(", ")})`, method: "has", values: ["to.address"] }] }];
}

/** Undefined if the addresses have too little in common. */
function blocksOf(addresses: readonly bigint[], shortest: number): { address: bigint; prefix: number }[] {
  if (addresses.length <= mostAddresses) return addresses.map((address) => ({ address, prefix: 128 }));
  let prefix = 128;
  const [first = 0n] = addresses;
  for (const address of addresses) {
    while (first >> BigInt(128 - prefix) !== address >> BigInt(128 - prefix)) prefix--;
  }
  const host = BigInt(128 - prefix);
  return prefix < shortest ? [] : [{ address: (first >> host) << host, prefix }];
}

function names(list: readonly SocketAddress[], subject: string, isPath: boolean): AddressCondition[] {
  const texts = [...new Set(list.map(({ name }) => utf8(name)))];
  const patterns = texts.every((text) => text !== undefined) ? textPatterns(texts, isPath) : undefined;
  if (patterns === undefined) return [];
  const any = Object.entries(patterns).flatMap(([method, texts]: [string, readonly string[]]) =>
    texts.length === 0 ? [] : [{ subject, method, values: texts.map((text) => jsonText(text)) }],
  );
  return [{ any }];
}
