/** Socket addresses from texts and parts to the bytes of `struct sockaddr`, as the kernel reads them (ir/observe.ts). */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { readQuoted } from "../../abi/byte-text.ts";
import { nameSet } from "../../abi/flags.ts";
import { socketFamily } from "../../abi/socket-address.ts";
import { readAddress } from "../../patterns/cidr.ts";
import { readNumber } from "./numbers.ts";
import { splitArguments } from "./strace-line.ts";

/** sizeof(struct sockaddr_nl), sizeof(struct sockaddr_vm). */
const netlinkBytes = 12;
const vsockBytes = 16;

export function unixAddress(path: Uint8Array): Uint8Array {
  return Uint8Array.of(socketFamily.unix, 0, ...path, 0);
}

export function abstractAddress(name: Uint8Array): Uint8Array {
  return Uint8Array.of(socketFamily.unix, 0, 0, ...name);
}

export const unnamedAddress = Uint8Array.of(socketFamily.unix, 0);

/** The plain address of a family: its other bytes are 0, and no policy reads them. */
export function plainAddress(of: number): Uint8Array {
  const size = of === socketFamily.netlink ? netlinkBytes : of === socketFamily.vsock ? vsockBytes : 2;
  const bytes = new Uint8Array(size);
  bytes.set([of & 0xff, of >> 8]);
  return bytes;
}

/** @param text an address, as inet_pton(3) takes it. Undefined for another text, and for one of another family. */
export function internetAddress(text: string, port: number, kind: "ip" | "unspecified" = "ip"): Uint8Array | undefined {
  const reading = readAddress(text);
  if (reading.fault !== undefined || !Number.isInteger(port) || port < 0 || port > 0xffff) return undefined;
  const { address, isV4 } = reading;
  const portBytes = [port >> 8, port & 0xff];
  const byte = (index: number) => Number((address >> BigInt(8 * index)) & 0xffn);
  if (isV4) {
    const of = kind === "ip" ? socketFamily.inet : socketFamily.unspecified;
    return Uint8Array.of(of, 0, ...portBytes, byte(3), byte(2), byte(1), byte(0), ...new Array<number>(8).fill(0));
  }
  if (kind === "unspecified") return undefined;
  const digits = Array.from({ length: 16 }, (_, index) => byte(15 - index));
  return Uint8Array.of(socketFamily.inet6, 0, ...portBytes, 0, 0, 0, 0, ...digits, 0, 0, 0, 0);
}

/** Reads an address as events show it: `10.0.0.1:443`, `[::1]:443`, `unix:/run/agent`, `abstract:@name`, `netlink`, `family:17`. */
export function readPlainAddress(text: string): Uint8Array | undefined {
  switch (text) {
    case "none":
      return new Uint8Array(0);
    case "netlink":
    case "vsock":
      return plainAddress(socketFamily[text]);
    case "unspecified":
      return plainAddress(socketFamily.unspecified);
    case "unix:":
      return unnamedAddress;
  }
  const name = /^(unix|abstract):(.+)$/s.exec(text);
  if (name !== null) return nameAddress(name[1]!, name[2]!);
  const number = /^family:(\d{1,5})$/.exec(text);
  if (number !== null) return Number(number[1]) <= 0xffff ? plainAddress(Number(number[1])) : undefined;
  const host = /^(unspecified:)?(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text);
  if (host === null) return undefined;
  return internetAddress(host[2] ?? host[3]!, Number(host[4]), host[1] === undefined ? "ip" : "unspecified");
}

function nameAddress(kind: string, written: string): Uint8Array | undefined {
  let name: Uint8Array = new TextEncoder().encode(written);
  if (written.startsWith('"')) {
    const reading = readQuoted(written, 0);
    if ("fault" in reading || reading.isCut || reading.end !== written.length) return undefined;
    name = reading.bytes;
  }
  if (kind === "unix") return name.length === 0 || name[0] === 0 ? undefined : unixAddress(name);
  return name[0] === 0x40 ? abstractAddress(name.subarray(1)) : undefined; // "@"
}

/**
 * Reads an address as strace prints it: `{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}`.
 * "unknown" if a necessary part is left out; undefined if the text is not an address.
 */
export function readBracedAddress(text: string, architecture: ArchitectureName): Uint8Array | "unknown" | undefined {
  if (!text.startsWith("{")) return undefined;
  const inner = splitArguments(`${text.slice(1, -1)})`, 0);
  if (inner === undefined || !text.endsWith("}")) return undefined;
  const [first = "", ...rest] = inner.arguments;
  const of = familyOf(/^sa_family=(.+)$/.exec(first)?.[1]?.trim() ?? "", architecture);
  if (of === undefined) return undefined;
  const member = (name: string) => rest.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  const port = (name: string) => Number(/^htons\((\d{1,5})\)$/.exec(member(name) ?? "")?.[1] ?? Number.NaN);
  switch (of) {
    case socketFamily.unix: {
      const path = member("sun_path");
      if (path === undefined) return rest.length === 0 ? unnamedAddress : "unknown";
      const isAbstract = path.startsWith("@");
      const reading = readQuoted(path, isAbstract ? 1 : 0);
      if ("fault" in reading || reading.isCut) return "unknown";
      return isAbstract ? abstractAddress(reading.bytes) : unixAddress(reading.bytes);
    }
    case socketFamily.inet: {
      const host = /^inet_addr\("([^"]+)"\)$/.exec(member("sin_addr") ?? "")?.[1];
      return (host === undefined ? undefined : internetAddress(host, port("sin_port"))) ?? "unknown";
    }
    case socketFamily.inet6: {
      const host = rest.map((one) => /^inet_pton\(AF_INET6, "([^"]+)", &sin6_addr\)$/.exec(one)?.[1]).find(Boolean);
      return (host === undefined ? undefined : internetAddress(host, port("sin6_port"))) ?? "unknown";
    }
    case socketFamily.unspecified: {
      const data = member("sa_data");
      if (data === undefined) return rest.length === 0 ? plainAddress(of) : "unknown";
      const reading = readQuoted(data, 0);
      return "fault" in reading || reading.isCut ? "unknown" : Uint8Array.of(0, 0, ...reading.bytes);
    }
    default:
      return plainAddress(of);
  }
}

function familyOf(text: string, architecture: ArchitectureName): number | undefined {
  const number = readNumber(text.replace(/\s*\/\*.*\*\/$/, ""));
  if (number !== undefined) return number >= 0n && number <= 0xffffn ? Number(number) : undefined;
  const member = nameSet("AddressFamily")?.members.find(({ name }) => name === text);
  const value = member?.value[architecture];
  return value === undefined ? undefined : Number(value);
}
