/**
 * Blocks of IP addresses, as policies write them: `10.0.0.0/8`, `fd00::/8`. They are read here, and become sorted ranges
 * over one space of 128 bits, for the interpreter and for compiled forms.
 *
 * In that space an IPv4 address is its IPv4-mapped one, ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), as the kernel sees it
 * on a socket of either family. So ::ffff:10.0.0.0/104 is 10.0.0.0/8. Blocks of IPv6 that surround ::ffff:0:0/96, such as ::/0,
 * leave it out: an IPv4 address is in blocks of IPv4 only.
 *
 * An address without a prefix is the block of this one address.
 *
 * ipaddr.js 2 would replace `readV4` and `readV6`, 80 lines, but not their checks: it reads `010.0.0.1` as 8.0.0.1 and `1` as
 * 0.0.0.1, and of a wrong text it says only that it is no address, without the place and the way out.
 */
import { type Fault, fault } from "./fault.ts";

/** 128 bits as two words, each unsigned. */
export interface Words {
  readonly high: bigint;
  readonly low: bigint;
}

export interface AddressRange {
  /** Both inside. */
  readonly from: Words;
  readonly to: Words;
}

export interface CidrBlock {
  /** The block's first address, in the common space; the bits after the prefix are 0. */
  readonly address: bigint;
  /** 0 … 128. */
  readonly prefix: number;
}

export type BlockReading =
  | { readonly block: CidrBlock; readonly fault?: never }
  | { readonly block?: never; readonly fault: Fault };

const mapped = 0xffffn << 32n;
const mappedPrefix = 96;
const lastMapped = mapped | 0xffff_ffffn;
const lowWord = (1n << 64n) - 1n;

/** A block or an address, in brackets or not, and a port. An IPv6 address without brackets has two colons or more. */
const withPort = /^(?<block>[^:[\]]*|\[[^\]]*\](?:\/\d*)?):(?<port>\d{1,5})$/;

/** The two parts of `10.0.0.1:443` and `[::1]:443`; undefined for every other text. */
export function splitPort(text: string): { readonly block: string; readonly port: string } | undefined {
  const { block, port } = withPort.exec(text)?.groups ?? {};
  return block === undefined || port === undefined ? undefined : { block: block.replace(/[[\]]/g, ""), port };
}

/** Reads a block. Every fault has a way out, and where bits behind the prefix are set the block that was meant. */
export function readBlock(text: string): BlockReading {
  const parts = splitPort(text);
  if (parts !== undefined && readBlock(parts.block).fault === undefined) {
    const help = `write ${parts.block}, and compare the port itself: \`.port === ${Number(parts.port)}n\``;
    return { fault: fault(`${text} has a port, and a block has none`, help, 0, text.length, "port") };
  }
  const bar = text.indexOf("/");
  const addressText = bar < 0 ? text : text.slice(0, bar);
  const read = readAddress(addressText);
  if ("fault" in read) return { fault: read.fault! };
  const width = read.isV4 ? 32 : 128;
  if (bar < 0) return { block: { address: read.address, prefix: 128 } };
  const prefixText = text.slice(bar + 1);
  const length = Number(prefixText);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText) || length > width) {
    const help = `the length of the prefix is 0 … ${width}`;
    const message = `${prefixText === "" ? "nothing" : prefixText} is not the length of a prefix`;
    return { fault: fault(message, help, bar + (prefixText === "" ? 0 : 1), prefixText.length) };
  }
  const prefix = length + 128 - width;
  const first = firstOf(read.address, prefix);
  if (first !== read.address) {
    const meant = printBlock({ address: first, prefix });
    const single = printBlock({ address: read.address, prefix: 128 });
    const help = `write ${meant} for the block, or ${single} for the one address`;
    return { fault: fault(`${text} has host bits set`, help, 0, text.length, "host-bits") };
  }
  return { block: { address: first, prefix } };
}

function firstOf(address: bigint, prefix: number): bigint {
  const host = BigInt(128 - prefix);
  return (address >> host) << host;
}

/** How a block is written, the shortest way (RFC 5952 for IPv6). */
export function printBlock({ address, prefix }: CidrBlock): string {
  const isV4 = prefix >= mappedPrefix && address >> 32n === 0xffffn;
  return `${printAddress(address, isV4)}/${isV4 ? prefix - mappedPrefix : prefix}`;
}

/** An address of the common space, as IPv4 or as IPv6 in the shortest form (RFC 5952). */
export function printAddress(address: bigint, isV4: boolean): string {
  if (isV4) return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((address >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  // The longest run of two zeros or more is left out; of equal ones the first.
  const runs = [
    ...groups
      .map((group) => (group === "0" ? "0" : "x"))
      .join("")
      .matchAll(/00+/g),
  ];
  const longest = runs.reduce((best, run) => (run[0].length > (best?.[0].length ?? 0) ? run : best), runs[0]);
  if (longest === undefined) return groups.join(":");
  return `${groups.slice(0, longest.index).join(":")}::${groups.slice(longest.index + longest[0].length).join(":")}`;
}

// ── Addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type AddressReading =
  | { readonly address: bigint; readonly isV4: boolean; readonly fault?: never }
  | { readonly fault: Fault };

/** Reads an address into the common space. It accepts the texts that inet_pton(3) does: no octal, no zone. */
export function readAddress(text: string): AddressReading {
  if (text.includes(":")) return readV6(text);
  const address = readV4(text, 0);
  return typeof address === "bigint" ? { address: mapped | address, isV4: true } : { fault: address };
}

function readV4(text: string, offset: number): bigint | Fault {
  const parts = text.split(".");
  if (parts.length !== 4)
    return fault(
      `${quoted(text)} is not an IP address`,
      "write four numbers, as in 10.0.0.0/8, or IPv6",
      offset,
      text.length,
    );
  let address = 0n;
  let at = offset;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255)
      return fault(`${quoted(part)} is not a part of an IPv4 address`, "each part is 0 … 255", at, part.length);
    if (part.length > 1 && part.startsWith("0"))
      return fault(
        `${part} begins with a zero, which some programs read as octal`,
        `write ${Number(part)}`,
        at,
        part.length,
      );
    address = (address << 8n) | BigInt(part);
    at += part.length + 1;
  }
  return address;
}

function readV6(text: string): AddressReading {
  const refuse = (message: string, help: string, offset = 0, length = text.length): AddressReading => ({
    fault: fault(message, help, offset, length),
  });
  const zone = text.indexOf("%");
  if (zone >= 0) return refuse("a block has no zone", `write ${text.slice(0, zone)}`, zone, text.length - zone);
  const gap = text.indexOf("::");
  const again = gap < 0 ? -1 : text.indexOf("::", gap + 1);
  if (again >= 0) return refuse("an IPv6 address has one :: at most", "write the zeros of the other", again, 2);

  const groups: bigint[] = [];
  /** How many groups stand before the gap. */
  let before: number | undefined;
  let offset = 0;
  for (const [part, side] of gap < 0
    ? [[text, 0] as const]
    : [[text.slice(0, gap), 0] as const, [text.slice(gap + 2), 1] as const]) {
    if (side === 1) {
      before = groups.length;
      offset = gap + 2;
    }
    if (part === "") continue;
    const words = part.split(":");
    for (const [index, word] of words.entries()) {
      const isLast = index === words.length - 1 && (gap < 0 || side === 1);
      if (isLast && word.includes(".")) {
        const v4 = readV4(word, offset);
        if (typeof v4 !== "bigint") return { fault: v4 };
        groups.push(v4 >> 16n, v4 & 0xffffn);
      } else if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(BigInt(`0x${word}`));
      else
        return refuse(
          `${quoted(word)} is not a group of an IPv6 address`,
          "a group is 1 … 4 hexadecimal digits",
          offset,
          word.length,
        );
      offset += word.length + 1;
    }
  }
  if (before === undefined && groups.length !== 8)
    return refuse(`an IPv6 address has 8 groups, and this one ${groups.length}`, "write :: for groups of zeros");
  if (before !== undefined && groups.length > 7)
    return refuse(
      `an IPv6 address has 8 groups, and this one ${groups.length} and a ::`,
      "leave the :: out, or a group",
    );
  if (before !== undefined) groups.splice(before, 0, ...new Array<bigint>(8 - groups.length).fill(0n));
  return { address: groups.reduce((address, group) => (address << 16n) | group, 0n), isV4: false };
}

function quoted(text: string): string {
  return text === "" ? "nothing" : text;
}

/** An address from its 4 or 16 bytes in network order, as in sockaddr_in and sockaddr_in6. */
export function addressOf(bytes: Uint8Array): bigint {
  if (bytes.length !== 4 && bytes.length !== 16) throw new RangeError(`an address of ${bytes.length} bytes`);
  const address = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return bytes.length === 4 ? mapped | address : address;
}

/** An address of the common space as its two words. */
export function wordsOf(address: bigint): Words {
  return { high: address >> 64n, low: address & lowWord };
}

// ── Sets ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The addresses of some blocks. */
export class CidrSet {
  /** Sorted, disjoint and not adjacent: compiled forms compare with them. */
  readonly ranges: readonly AddressRange[];
  readonly #bounds: readonly { readonly from: bigint; readonly to: bigint }[];

  constructor(blocks: readonly CidrBlock[]) {
    const sorted = blocks.flatMap(rangesOf).sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    const bounds: { from: bigint; to: bigint }[] = [];
    for (const { from, to } of sorted) {
      const last = bounds.at(-1);
      // An IPv6 block may begin directly behind an IPv4 block. They are one range of the space.
      if (last === undefined || from > last.to + 1n) bounds.push({ from, to });
      else if (to > last.to) last.to = to;
    }
    this.#bounds = bounds;
    this.ranges = bounds.map(({ from, to }) => ({ from: wordsOf(from), to: wordsOf(to) }));
  }

  /** Whether it holds an address of the common space (`readAddress`, `addressOf`). */
  has(address: bigint): boolean {
    let [low, high] = [0, this.#bounds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bounds[middle]!.to < address) low = middle + 1;
      else high = middle;
    }
    const found = this.#bounds[low];
    return found !== undefined && address >= found.from;
  }
}

function rangesOf({ address, prefix }: CidrBlock): { from: bigint; to: bigint }[] {
  const [from, to] = [address, address | ((1n << BigInt(128 - prefix)) - 1n)];
  if (prefix >= mappedPrefix || from > mapped || to < lastMapped) return [{ from, to }];
  const around = [
    { from, to: mapped - 1n },
    { from: lastMapped + 1n, to },
  ];
  return around.filter((range) => range.from <= range.to);
}
