import { describe, expect, it } from "vitest";
import { SeededChoices } from "../ir/testing/choices.ts";
import { seeds } from "../ir/testing/seeds.ts";
import { addressOf, type CidrBlock, CidrSet, printBlock, readAddress, readBlock, wordsOf } from "./cidr.ts";

function block(text: string): CidrBlock {
  const { block: found, fault } = readBlock(text);
  if (found === undefined) throw new Error(fault.message);
  return found;
}

function address(text: string): bigint {
  const reading = readAddress(text);
  if ("fault" in reading && reading.fault !== undefined) throw new Error(reading.fault.message);
  return reading.address;
}

const setOf = (...texts: string[]): CidrSet => new CidrSet(texts.map(block));

describe("a block", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["127.0.0.1/32", "127.0.0.1/32"],
    ["::1/128", "::1/128"],
    ["::/0", "::/0"],
    ["FD00:0:0:0:0:0:0:0/8", "fd00::/8"],
    ["2001:db8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128"],
    ["2001:0:0:1:0:0:0:1/128", "2001:0:0:1::1/128"],
    ["1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8/128"],
    ["1:0:3:4:5:6:7:8/128", "1:0:3:4:5:6:7:8/128"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:a00:0/104", "10.0.0.0/8"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
    ["::ffff:0:0/95", undefined],
    ["64:ff9b::1.2.3.4/128", "64:ff9b::102:304/128"],
    ["10.0.0.1", "10.0.0.1/32"],
    ["0.0.0.0", "0.0.0.0/32"],
    ["::1", "::1/128"],
    ["::ffff:10.0.0.1", "10.0.0.1/32"],
    ["fe80::1:443", "fe80::1:443/128"],
  ])("%s is %s", (text, printed) => {
    const { block: found } = readBlock(text);
    expect(found && printBlock(found)).toBe(printed);
  });

  it.each([
    [
      "10.0.0.1/8",
      "host-bits 0+10 10.0.0.1/8 has host bits set: write 10.0.0.0/8 for the block, or 10.0.0.1/32 for the one address",
    ],
    [
      "fd00::1/8",
      "host-bits 0+9 fd00::1/8 has host bits set: write fd00::/8 for the block, or fd00::1/128 for the one address",
    ],
    [
      "::ffff:10.0.0.1/104",
      "host-bits 0+19 ::ffff:10.0.0.1/104 has host bits set: write 10.0.0.0/8 for the block, or 10.0.0.1/32 for the one address",
    ],
    [
      "::ffff:10.0.0.1/64",
      "host-bits 0+18 ::ffff:10.0.0.1/64 has host bits set: write ::/64 for the block, or 10.0.0.1/32 for the one address",
    ],
    [
      "1.2.3.4:443",
      "port 0+11 1.2.3.4:443 has a port, and a block has none: write 1.2.3.4, and compare the port itself: `.port === 443n`",
    ],
    [
      "10.0.0.0/8:080",
      "port 0+14 10.0.0.0/8:080 has a port, and a block has none: write 10.0.0.0/8, and compare the port itself: `.port === 80n`",
    ],
    [
      "[::1]:443",
      "port 0+9 [::1]:443 has a port, and a block has none: write ::1, and compare the port itself: `.port === 443n`",
    ],
    ["localhost", "malformed 0+9 localhost is not an IP address: write four numbers, as in 10.0.0.0/8, or IPv6"],
    ["10.0.0.0/33", "malformed 9+2 33 is not the length of a prefix: the length of the prefix is 0 … 32"],
    ["10.0.0.0/08", "malformed 9+2 08 is not the length of a prefix: the length of the prefix is 0 … 32"],
    ["10.0.0.0/", "malformed 8+1 nothing is not the length of a prefix: the length of the prefix is 0 … 32"],
    ["10.0.0.0/8/8", "malformed 9+3 8/8 is not the length of a prefix: the length of the prefix is 0 … 32"],
    ["::/129", "malformed 3+3 129 is not the length of a prefix: the length of the prefix is 0 … 128"],
    ["10.0.0/8", "malformed 0+6 10.0.0 is not an IP address: write four numbers, as in 10.0.0.0/8, or IPv6"],
    ["localhost/8", "malformed 0+9 localhost is not an IP address: write four numbers, as in 10.0.0.0/8, or IPv6"],
    ["", "malformed 0+1 nothing is not an IP address: write four numbers, as in 10.0.0.0/8, or IPv6"],
    ["10.0.256.0/8", "malformed 5+3 256 is not a part of an IPv4 address: each part is 0 … 255"],
    ["10..0.0/8", "malformed 3+1 nothing is not a part of an IPv4 address: each part is 0 … 255"],
    ["10.010.0.0/8", "malformed 3+3 010 begins with a zero, which some programs read as octal: write 10"],
    ["fe80::1%eth0/128", "malformed 7+5 a block has no zone: write fe80::1"],
    ["1::2::3/8", "malformed 4+2 an IPv6 address has one :: at most: write the zeros of the other"],
    [":::/8", "malformed 1+2 an IPv6 address has one :: at most: write the zeros of the other"],
    ["1:2/8", "malformed 0+3 an IPv6 address has 8 groups, and this one 2: write :: for groups of zeros"],
    [
      "1:2:3:4:5:6:7::8/8",
      "malformed 0+16 an IPv6 address has 8 groups, and this one 8 and a ::: leave the :: out, or a group",
    ],
    ["12345::/8", "malformed 0+5 12345 is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    ["::g/8", "malformed 2+1 g is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    [":1/8", "malformed 0+1 nothing is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    ["::1:/8", "malformed 4+1 nothing is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    ["::1.2.3.4:5/8", "malformed 2+7 1.2.3.4 is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    ["1.2.3.4::/8", "malformed 0+7 1.2.3.4 is not a group of an IPv6 address: a group is 1 … 4 hexadecimal digits"],
    ["::1.2.3.400/8", "malformed 8+3 400 is not a part of an IPv4 address: each part is 0 … 255"],
  ])("%s is refused", (text, wanted) => {
    const { kind, offset, length, message, help } = readBlock(text).fault!;
    expect(`${kind} ${offset}+${length} ${message}: ${help}`).toBe(wanted);
  });
});

describe("a set", () => {
  it("has addresses of its blocks, IPv4 and IPv4-mapped alike", () => {
    const set = setOf("10.0.0.0/8", "::1/128", "fd00::/8");
    for (const text of ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::1", "fd00::", "fdff::1"])
      expect(set.has(address(text)), text).toBe(true);
    for (const text of ["9.255.255.255", "11.0.0.0", "::10.0.0.1", "::", "::2", "fc00::", "fe00::", "0.0.0.1"])
      expect(set.has(address(text)), text).toBe(false);
  });

  it("keeps IPv4 out of IPv6 blocks that surround it", () => {
    const all = setOf("::/0");
    expect([
      all.has(address("1.2.3.4")),
      all.has(address("::ffff:1.2.3.4")),
      all.has(address("::fffe:1.2.3.4")),
    ]).toEqual([false, false, true]);
    expect(setOf("::/0", "0.0.0.0/0").ranges).toEqual([
      { from: { high: 0n, low: 0n }, to: { high: (1n << 64n) - 1n, low: (1n << 64n) - 1n } },
    ]);
  });

  it("joins overlapping and adjacent blocks", () => {
    expect(setOf("10.128.0.0/9", "10.0.0.0/9", "10.1.0.0/16", "12.0.0.0/8").ranges).toEqual([
      { from: { high: 0n, low: 0xffff_0a00_0000n }, to: { high: 0n, low: 0xffff_0aff_ffffn } },
      { from: { high: 0n, low: 0xffff_0c00_0000n }, to: { high: 0n, low: 0xffff_0cff_ffffn } },
    ]);
    expect(setOf().ranges).toEqual([]);
    expect(setOf().has(0n)).toBe(false);
  });

  it("takes addresses as they lie in a sockaddr", () => {
    expect(addressOf(Uint8Array.of(10, 1, 2, 3))).toBe(address("10.1.2.3"));
    expect(addressOf(Uint8Array.from({ length: 16 }, (_, index) => index))).toBe(
      address("1:203:405:607:809:a0b:c0d:e0f"),
    );
    expect(wordsOf(address("1:2:3:4:5:6:7:8"))).toEqual({ high: 0x0001_0002_0003_0004n, low: 0x0005_0006_0007_0008n });
    expect(() => addressOf(new Uint8Array(5))).toThrow(RangeError);
  });
});

describe("random", () => {
  /** Few bits are set, and zeros are frequent. */
  const some = (choices: SeededChoices): bigint => {
    let bits = choices.below(2) === 0 ? 0xffffn << 32n : 0n;
    for (let count = choices.below(5); count > 0; count--)
      bits ^= 1n << BigInt(choices.below(bits > 1n << 32n ? 32 : 128));
    return bits;
  };
  const groups = (bits: bigint): string =>
    Array.from({ length: 8 }, (_, index) => ((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16)).join(":");

  it("addresses are printed as WHATWG URLs have them, and read again", () => {
    for (const seed of seeds(2000)) {
      const bits = some(new SeededChoices(seed));
      expect(address(groups(bits))).toBe(bits);
      const printed = printBlock({ address: bits, prefix: 128 });
      expect(block(printed)).toEqual({ address: bits, prefix: 128 });
      if (printed.includes(":"))
        expect(`[${printed.slice(0, -4)}]`).toBe(new URL(`http://[${groups(bits)}]/`).hostname);
    }
  });

  it("sets have the addresses that a comparison of bits finds", () => {
    const isMapped = (bits: bigint): boolean => bits >> 32n === 0xffffn;
    for (const seed of seeds(500)) {
      const choices = new SeededChoices(seed);
      const blocks = Array.from({ length: 1 + choices.below(6) }, () => {
        const bits = some(choices);
        const host = BigInt(choices.below(isMapped(bits) ? 33 : 129));
        return block(`${groups((bits >> host) << host)}/${128n - host}`);
      });
      const set = new CidrSet(blocks);
      for (let round = 0; round < 20; round++) {
        const { address: first, prefix } = blocks[choices.below(blocks.length)]!;
        const near = (first ^ (some(choices) & ((1n << BigInt(129 - prefix)) - 1n))) & ((1n << 128n) - 1n);
        const wanted = blocks.some((one) => {
          const isV4 = one.prefix >= 96 && isMapped(one.address);
          return (near ^ one.address) >> BigInt(128 - one.prefix) === 0n && isMapped(near) === isV4;
        });
        expect(set.has(near), `seed ${seed}: ${groups(near)} in ${blocks.map(printBlock)}`).toBe(wanted);
        const { high, low } = wordsOf(near);
        const byWords = set.ranges.some(
          ({ from, to }) =>
            (high > from.high || (high === from.high && low >= from.low)) &&
            (high < to.high || (high === to.high && low <= to.low)),
        );
        expect(byWords).toBe(wanted);
      }
      for (const [index, { from }] of set.ranges.entries()) {
        if (index === 0) continue;
        const { to } = set.ranges[index - 1]!;
        expect((from.high << 64n) + from.low).toBeGreaterThan((to.high << 64n) + to.low + 1n);
      }
    }
  });
});
