/**
 * The entries of a list of hosts, and the names that programs ask for. A name has one normal form: the URL parser's, without
 * a dot at its end. So no two spellings of one host are judged differently, and an address in any notation is an address.
 */
import { isIP } from "node:net";

/** An entry: a name, `*.` before a name, or an address, and the ports that it permits. */
export interface HostPattern {
  /** In normal form. */
  readonly host: string;
  /** The entry began with `*.`: it permits the names below `host`, at any depth, and not `host`. */
  readonly below: boolean;
  readonly ports: readonly number[];
}

/** Ports of an entry that names none. */
export const defaultPorts: readonly number[] = [80, 443];

export type PatternResult = { readonly pattern: HostPattern } | { readonly error: string; readonly help: string };

const example = "registry.npmjs.org, github.com:22, *.example.org or [2001:db8::1]:443";

export function parsePattern(given: string): PatternResult {
  const bad = (error: string) => ({ error: `${JSON.stringify(given)} ${error}`, help: example });
  const { name, port } = splitPort(given);
  if (port !== undefined && !isPort(port)) return bad("has no port from 1 to 65535 behind its colon");
  const ports = port === undefined ? defaultPorts : [Number(port)];
  const below = name.startsWith("*.");
  const bare = below ? name.slice(2) : name;
  if (bare.includes("*")) return bad("has a * that is not its first label");
  const host = normalPattern(bare);
  if (host === undefined) return bad("is no name and no address of a host");
  if (below && isIP(host) !== 0) return bad("has a wildcard before an address");
  if (below && !host.includes(".")) return bad("permits all names of a top-level domain: name at least two labels");
  return { pattern: { host, below, ports } };
}

/** The entry in normal form, with its ports unless they are those of an entry without one. */
export function printPattern({ host, below, ports }: HostPattern): string {
  const name = host.includes(":") ? `[${host}]` : host;
  const isDefault = ports.length === defaultPorts.length && ports.every((port) => defaultPorts.includes(port));
  return `${below ? "*." : ""}${name}${isDefault ? "" : `:${ports.join(",")}`}`;
}

/** `[::1]:80`, `::1`, `name:80` or `name`. */
function splitPort(text: string): { readonly name: string; readonly port: string | undefined } {
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::(.*))?$/s.exec(text);
  if (bracketed !== null) return { name: bracketed[1]!, port: bracketed[2] };
  const [name = "", port, ...more] = text.split(":");
  return more.length > 0 ? { name: text, port: undefined } : { name, port };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** An entry may have letters of all languages; a program must ask for the name's ASCII form. */
function normalPattern(text: string): string | undefined {
  if (isIP(text) === 6) return normalHost(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are refused
  if (/[\x00-\x2c\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]/.test(text)) return undefined;
  const ascii = urlHost(text);
  return ascii === undefined ? undefined : normalHost(ascii);
}

/**
 * The normal form of a name or address that a program asks for, without brackets; undefined for everything else: other
 * characters, an empty label, a label of more than 63 bytes, a name of more than 253.
 */
export function normalHost(given: string): string | undefined {
  if (isIP(given) === 6) {
    const address = urlHost(`[${given}]`)?.slice(1, -1);
    return address === undefined ? undefined : (mappedAddress(address) ?? address);
  }
  const text = given.endsWith(".") ? given.slice(0, -1) : given;
  if (text.length > 253 || !/^(?:[\w-]{1,63}\.)*[\w-]{1,63}$/.test(text)) return undefined;
  return urlHost(text);
}

/** Undefined if the URL parser refuses the host. It reads numbers as addresses: 0x7f.1, 017700000001, 2130706433. */
function urlHost(text: string): string | undefined {
  try {
    const { hostname } = new URL(`http://${text}/`);
    return hostname === "" ? undefined : hostname;
  } catch {
    return undefined;
  }
}

/** The IPv4 address of `::ffff:7f00:1`, which the kernel connects to instead; undefined for other addresses. */
function mappedAddress(address: string): string | undefined {
  const words = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (words === null) return undefined;
  const [high, low] = [Number.parseInt(words[1]!, 16), Number.parseInt(words[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** @param host in normal form */
export function matches(pattern: HostPattern, host: string): boolean {
  return pattern.below ? isIP(host) === 0 && host.endsWith(`.${pattern.host}`) : host === pattern.host;
}

/** `localhost` and names below it mean this machine (RFC 6761, 6.3), so no server of names is asked. */
export function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}
