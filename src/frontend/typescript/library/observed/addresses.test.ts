/** Addresses of sockets: the members of each kind, blocks of addresses, and mistakes. */
import { describe, expect, it } from "vitest";
import { conditionOn, faults, reads } from "../../../testing/compiled.ts";

const ofKind = (kind: string, condition: string) => `call.args.addr.kind === "${kind}" && ${condition}`;
const words = (condition: string, head?: string) =>
  reads("connect", condition, head === undefined ? {} : { head }).slice(1);

describe("an address", () => {
  it("is read with its length", () => {
    expect(reads("connect", 'call.args.addr.kind === "ip"')).toEqual([
      "observation 0 addr: address of connect(1, length 2)",
      "word 0 %addr.0 kind",
      "if (number == connect and %addr.0 == 4)",
    ]);
  });

  it.each([
    ["ip", "call.args.addr.port === 443n", ["word 1 %addr.1 port"], "%addr.0 == 4 and %addr.1 == 443"],
    ["unspecified", "call.args.addr.port === 0n", ["word 1 %addr.1 port"], "%addr.0 == 5 and %addr.1 == 0"],
    [
      "unix",
      'call.args.addr.path.text.is("/run/a")',
      ['word 1 %addr.1 socket-path is "/run/a"'],
      "%addr.0 == 2 and (%addr.1 & 1) != 0",
    ],
    [
      "abstract",
      'call.args.addr.name.startsWith("x")',
      ['word 1 %addr.1 abstract-name startsWith "x"'],
      "%addr.0 == 3 and (%addr.1 & 1) != 0",
    ],
    ["other", "call.args.addr.family === 40n", ["word 1 %addr.1 family"], "%addr.0 == 8 and %addr.1 == 40"],
    [
      "ip",
      "call.args.addr.version === 4n",
      ["word 1 %addr.1 high", "word 2 %addr.2 low"],
      "%addr.0 == 4 and ((%addr.1 == 0 and %addr.2 in {0xffff00000000 to 0xffffffffffff}) ? 4 : 6) == 4",
    ],
  ])("of the kind %s: %s", (kind, condition, declared, test) => {
    expect(words(ofKind(kind, condition))).toEqual([
      "word 0 %addr.0 kind",
      ...declared,
      `if (number == connect and ${test})`,
    ]);
  });

  const test = '→ test the kind first: .kind === "ip" or .kind === "unspecified"';
  it.each([
    [
      "call.args.addr.port === 1n",
      `4:16 P0106 this address may have no \`port\`: its kind can be "none", "unnamed", "unix" … ${test}`,
    ],
    [
      ofKind("unix", "call.args.addr.port === 1n"),
      '4:50 P0106 this address has no `port`: its kind is "unix" → it has path',
    ],
    [
      ofKind("vsock", "call.args.addr.port === 1n"),
      `4:51 P0106 this address has no \`port\`: its kind is "vsock" ${test}`,
    ],
    [
      '(call.args.addr.kind === "unix" || call.args.addr.kind === "ip") && call.args.addr.port === 1n',
      `4:84 P0106 this address may have no \`port\`: its kind can be "unix" ${test}`,
    ],
    [
      ofKind("unspecified", "call.args.addr.version === 4n"),
      '4:57 P0106 this address has no `version`: its kind is "unspecified" → it has address, port',
    ],
    ["call.args.addr.prot === 1n", "4:16 P0106 a SocketAddress has no `prot` → did you mean `port`?"],
    ["call.args.addr.kind === `inet`", expect.stringContaining('4:25 P0204 never true: this is "none" or "unnamed"')],
  ])("a fault: %s", (condition, fault) => {
    const found = faults(conditionOn("connect", condition)).map((one) => one.replace("policy.ts:", ""));
    expect(found).toEqual([fault]);
  });
});

describe("the header of a message", () => {
  it("has an address and the length of its control data", () => {
    const condition =
      'call.args.msg.controllen > 0n && call.args.msg.name.kind === "ip" && call.args.msg.name.port === 53n';
    expect(reads("sendmsg", condition)).toEqual([
      "observation 0 msg: message of sendmsg(1)",
      "word 0 %msg.0 control length",
      "word 1 %msg.1 kind",
      "word 2 %msg.2 port",
      "if (number == sendmsg and 0 <u %msg.0 and %msg.1 == 4 and %msg.2 == 53)",
    ]);
    expect(reads("sendmsg", "call.args.msg.isNull")).toEqual(["if (number == sendmsg and argument1 == 0)"]);
  });

  it("has no port before its address's kind is known", () => {
    expect(faults(conditionOn("sendmsg", "call.args.msg.name.port === 53n"))).toEqual([
      expect.stringMatching(/^policy\.ts:4:20 P0106 this address may have no `port`/),
    ]);
  });
});

describe("blocks of addresses", () => {
  const has = ofKind("ip", "blocks.has(call.args.addr.address)");

  it.each([
    // Blocks with one high word, such as those of IPv4, are one test of the low word.
    ['"10.0.0.0/8", "::1/128"', "%addr.1 == 0 and %addr.2 in {1, 0xffff0a000000 to 0xffff0affffff}"],
    ['"10.0.0.0/9", "10.128.0.0/9"', "%addr.1 == 0 and %addr.2 in {0xffff0a000000 to 0xffff0affffff}"],
    ['"2000::/3"', "%addr.1 in {0x2000000000000000 to 0x3fffffffffffffff}"],
    ['"2001:db8:0:0:8000::/65"', "%addr.1 == 0x20010db800000000 and %addr.2 in {0x8000000000000000 to -1}"],
    // From the middle of one high word to the middle of another.
    [
      '"0:0:0:1:8000::/65", "0:0:0:2::/64", "0:0:0:3::/65"',
      "((%addr.1 == 1 and %addr.2 in {0x8000000000000000 to -1}) or (%addr.1 == 3 and %addr.2 in {0 to 0x7fffffffffffffff}) or %addr.1 == 2)",
    ],
    // All of IPv6 without IPv4.
    ['"::/0"', "((%addr.1 == 0 and %addr.2 in {0 to 0xfffeffffffff, 0x1000000000000 to -1}) or %addr.1 in {1 to -1})"],
  ])("cidr(%s)", (blocks, test) => {
    expect(words(has, `const blocks = cidr(${blocks});`).at(-1)).toBe(
      `if (number == connect and %addr.0 == 4 and ${test})`,
    );
  });

  it.each([
    ["cidr()", '2:16 P0212 `cidr()` names no block → cidr("10.0.0.0/8")'],
    ["cidr(3n)", "2:21 P0207 `cidr` takes strings, and this is an integer"],
    [
      'cidr("10.0.0.1/8")',
      "2:21 P0206 10.0.0.1/8 has host bits set → write 10.0.0.0/8 for the block, or 10.0.0.1/32 for the one address",
    ],
    ['cidr("10.0.0.0/33")', "2:21 P0214 33 is not the length of a prefix → the length of the prefix is 0 … 32"],
    ['cidr("a.org")', "2:21 P0214 a.org is not an IP address → write four numbers, as in 10.0.0.0/8, or IPv6"],
    [
      'cidr("10.0.0.1:80")',
      "2:21 P0214 10.0.0.1:80 has a port, and a block has none → write 10.0.0.1, and compare the port itself: `.port === 80n`",
    ],
    [
      'cidr(parameter.text("to", { default: "10.0.0.1:80" }))',
      "2:21 P0214 10.0.0.1:80 has a port, and a block has none → write 10.0.0.1; the port is a parameter of its own, if the policy has one: --set port=80",
    ],
  ])("a fault: %s", (blocks, fault) => {
    expect(faults(conditionOn("connect", has), { head: `const blocks = ${blocks};` })).toEqual([`policy.ts:${fault}`]);
  });

  it.each([
    ["", "5:33 P0212 `.has` takes an address"],
    ["3n", "5:44 P0207 `.has` takes an address, and this is an integer"],
    ["call.args.addr.address, 3n", "5:33 P0212 `.has` takes an address"],
    ["call.args.addr", "5:44 P0207 `.has` takes an address, and this is a SocketAddress → its `.address`"],
  ])("a fault of `has`: %s", (given, fault) => {
    const condition = ofKind("ip", `blocks.has(${given})`);
    const found = faults(conditionOn("connect", condition), { head: 'const blocks = cidr("10.0.0.0/8");' });
    expect(found).toEqual([`policy.ts:${fault}`]);
  });
});
