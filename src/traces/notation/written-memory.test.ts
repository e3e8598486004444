/** Memory behind pointers, as people and strace write it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Pointee, pointeeOf } from "../../abi/pointees.ts";
import type { GivenMemory } from "../../engines/simulate/given-memory.ts";
import { addressText } from "../../events/recorded-memory.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import { readPlainAddress } from "./socket-address.ts";
import { readMemory } from "./written-memory.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (content: string, isCut = false): GivenMemory => ({ is: "text", bytes: utf8(content), isCut });
const entry = (content: string, isCut = false) => ({ bytes: utf8(content), isCut });
const address = (...bytes: number[]): GivenMemory => ({ is: "address", bytes: Uint8Array.from(bytes) });
const message = (controlLength: bigint, ...bytes: number[]): GivenMemory => ({
  is: "address",
  bytes: Uint8Array.from(bytes),
  controlLength,
});

const of = (call: string, name: string): Pointee => pointeeOf(call, name)!;
const path = of("openat", "path");
const addr = of("connect", "addr");
const argv = of("execve", "argv");
const msg = of("sendmsg", "msg");
const how = of("openat2", "how");
const ip4 = [2, 0, 1, 187, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const ip6 = [10, 0, 0, 9, 0, 0, 0, 0, ...new Array<number>(15).fill(0), 1, 0, 0, 0, 0];

const by = (who: "person" | "strace") => (written: string, pointee: Pointee) =>
  readMemory(written, { pointee, architecture: "x86_64", by: who });

describe("both write", () => {
  test.each<[Pointee, string, GivenMemory | undefined]>([
    [path, '"/etc/shadow"', text("/etc/shadow")],
    [path, String.raw`"a\"b\33\377"`, { is: "text", bytes: Uint8Array.of(97, 34, 98, 27, 255), isCut: false }],
    [path, '"/very/long"...', text("/very/long", true)],
    [path, '"a" /* comment */', text("a")],
    [path, "NULL", { is: "absent" }],
    [path, "0", { is: "absent" }],
    [path, "0x7ffe9409d2f8", undefined],
    [argv, "0x7ffe9409d2f8 /* 33 vars */", undefined],
    [path, "…", undefined],
    [argv, '["git", "log"]', { is: "strings", entries: [entry("git"), entry("log")], isCut: false }],
    [argv, "[]", { is: "strings", entries: [], isCut: false }],
    [
      argv,
      '["sh", "-c", "a, [b"...]',
      { is: "strings", entries: [entry("sh"), entry("-c"), entry("a, [b", true)], isCut: false },
    ],
    [argv, '["a", ...]', { is: "strings", entries: [entry("a")], isCut: true }],
    [argv, '["a", 0x1]', { is: "strings", entries: [entry("a"), entry("", true)], isCut: false }],
    [addr, '{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}', address(...ip4)],
    [
      addr,
      '{sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
      address(...ip6),
    ],
    [addr, '{sa_family=AF_UNIX, sun_path="/run/a"}', address(1, 0, ...utf8("/run/a"), 0)],
    [addr, String.raw`{sa_family=AF_UNIX, sun_path=@"abs\0x"}`, address(1, 0, 0, ...utf8("abs\0x"))],
    [addr, "{sa_family=AF_UNIX}", address(1, 0)],
    [addr, String.raw`{sa_family=AF_UNSPEC, sa_data="\0\7\12\0\0\1"}`, address(0, 0, 0, 7, 10, 0, 0, 1)],
    [addr, "{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}", address(16, 0, ...new Array<number>(10).fill(0))],
    [addr, "{sa_family=AF_PACKET, sll_protocol=htons(0)}", address(17, 0)],
    [addr, '{sa_family=0x2d /* AF_??? */, sa_data=""}', address(45, 0)],
    [addr, "{sa_family=AF_INET, …}", { is: "unknown" }],
    [
      msg,
      '{msg_name={sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}, msg_namelen=16, msg_iov=[{iov_base="x", iov_len=1}], msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[4]}], msg_controllen=24}',
      message(24n, ...ip4),
    ],
    [msg, "{msg_name=NULL, msg_namelen=0, msg_controllen=0, msg_flags=0}", message(0n)],
    [msg, "{msg_name=0x7f00, msg_namelen=16}", { is: "unknown" }],
  ])("%o %s", (pointee, written, wanted) => {
    expect(by("person")(written, pointee)).toEqual(wanted);
    expect(by("strace")(written, pointee)).toEqual(wanted);
  });
});

describe("a person writes", () => {
  test.each<[Pointee, string, GivenMemory]>([
    [path, "EFAULT", { is: "failed", errno: 14 }],
    [path, '"a" resolved "/srv/a"', { is: "text", bytes: utf8("a"), isCut: false, resolved: "/srv/a" }],
    [addr, "10.0.0.1:443", address(...ip4)],
    [addr, '"10.0.0.1:443"', address(...ip4)],
    [addr, "[::1]:9", address(...ip6)],
    [addr, "unix:/run/a", address(1, 0, ...utf8("/run/a"), 0)],
    [addr, 'unix:"/run/a b"', address(1, 0, ...utf8("/run/a b"), 0)],
    [addr, "abstract:@n", address(1, 0, 0, ...utf8("n"))],
    [addr, "unix:", address(1, 0)],
    [addr, "none", address()],
    [addr, "family:17", address(17, 0)],
    [msg, "{msg_name=10.0.0.1:443}", message(0n, ...ip4)],
    [msg, "{msg_name=NULL, msg_controllen=0x18}", message(24n)],
    [msg, "{msg_name=NULL, ...}", address()],
    [
      addr,
      'unix:/run/a resolved "/run/b"',
      { is: "address", bytes: Uint8Array.of(1, 0, ...utf8("/run/a"), 0), resolved: "/run/b" },
    ],
  ])("%o %s", (pointee, written, wanted) => {
    expect(by("person")(written, pointee)).toEqual(wanted);
  });

  test.each<[Pointee, string, string, number, number]>([
    [path, "/etc/hosts", '"/etc/hosts" is not a text', 0, 10],
    [path, '"a', "the string has no closing quote", 0, 2],
    [path, String.raw`"a\q"`, String.raw`\q is not an escape sequence of C`, 2, 2],
    [path, '"a" and more', '"and more" is too much', 3, 9],
    [path, '"a" resolved "b"', "an object is named by its absolute path", 3, 13],
    [argv, '"git"', '"\\"git\\"" is not a list', 0, 5],
    [argv, '["git", log]', '"log" is not an entry of a list', 8, 3],
    [addr, "10.0.0.1", '"10.0.0.1" is not a socket address', 0, 8],
    [addr, "10.0.0.1:65536", '"10.0.0.1:65536" is not a socket address', 0, 14],
    [addr, "10.0.0.256:1", '"10.0.0.256:1" is not a socket address', 0, 12],
    [msg, "10.0.0.1:443", '"10.0.0.1:443" is not a message', 0, 12],
    [how, "{flag=0}", '"flag=0" is not a field of open_how', 1, 6],
    [how, "{mode=0, mode=0}", "`mode` is given twice", 1, 6],
    [how, "{flags=O_CRAET}", '"O_CRAET" is not a value of `flags` (__u64)', 7, 7],
  ])("%o not %s", (pointee, written, fault, offset, length) => {
    expect(by("person")(written, pointee)).toMatchObject({ fault, offset, length });
  });
});

describe("structures", () => {
  const bytes = (flags: number, mode: number, resolve: number) => {
    const view = new DataView(new ArrayBuffer(24));
    for (const [index, value] of [flags, mode, resolve].entries()) view.setUint32(8 * index, value, true);
    return new Uint8Array(view.buffer);
  };
  const open = (...fields: number[]) =>
    Uint8Array.from({ length: 24 }, (_, index) => (fields.includes(index >> 3) ? 255 : 0));

  test("of a person are 0 where a field is left out", () => {
    expect(by("person")("{flags=O_WRONLY|O_CREAT, mode=0644}", how)).toEqual({
      is: "structure",
      bytes: bytes(0o101, 0o644, 0),
      unknown: open(),
    });
    expect(by("person")("{resolve=RESOLVE_BENEATH, ...}", how)).toEqual({
      is: "structure",
      bytes: bytes(0, 0, 8),
      unknown: open(0, 1),
    });
  });

  test("of strace are not known if they are left out or have unknown names", () => {
    const written = '{flags=O_RDONLY, resolve=RESOLVE_BENEATH, /* bytes 24..47 */ "\\xa4"}';
    expect(by("strace")(written, how)).toEqual({ is: "structure", bytes: bytes(0, 0, 8), unknown: open() });
    expect(by("strace")("{flags=O_NEW}", how)).toEqual({ is: "structure", bytes: bytes(0, 0, 0), unknown: open(0, 2) });
  });

  test("clone3's, with what the kernel has written", () => {
    const written =
      "{flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f, parent_tid=0x7f, exit_signal=0, stack=0x7f00, stack_size=0x8000, tls=0x7f10} => {parent_tid=[7]}";
    const found = by("strace")(written, of("clone3", "uargs"));
    if (found === undefined || "fault" in found || found.is !== "structure") throw new Error("no structure");
    const view = new DataView(found.bytes.buffer);
    expect([view.getBigUint64(0, true), view.getBigUint64(40, true)]).toEqual([0x1_0100n, 0x7f00n]);
    expect(found.unknown.findIndex((byte) => byte !== 0)).toBe(80); // cgroup
  });
});

test("an address is read as events show it", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((name) => Uint8Array.of(1, 0, ...name)),
    fc.uint8Array({ minLength: 14, maxLength: 26 }).map((rest) => Uint8Array.of(2, 0, ...rest)),
    fc.uint8Array({ minLength: 26, maxLength: 26 }).map((rest) => Uint8Array.of(10, 0, ...rest)),
    fc.uint8Array({ minLength: 14, maxLength: 14 }).map((rest) => Uint8Array.of(0, 0, ...rest)),
    fc.constantFrom([], [1, 0], [0, 0], [16, 0], [40, 0], [17, 0]).map((short) => Uint8Array.from(short)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const wanted = readSocketAddress(given);
      const read = readPlainAddress(addressText(wanted));
      expect([addressText(wanted), read && readSocketAddress(read)]).toEqual([addressText(wanted), wanted]);
    }),
  );
});

test("no text is more than a fault", () => {
  const pieces = fc.constantFrom(
    '"',
    "{",
    "}",
    "[",
    "]",
    "sa_family=",
    "AF_UNIX",
    ", ",
    "...",
    "\\",
    "a",
    "@",
    "=",
    ":",
    "(",
    ")",
    "NULL",
    "resolved ",
    "msg_name=",
    "msg_controllen=",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), fc.constantFrom(path, addr, argv, msg, how), (parts, pointee) => {
      for (const who of ["person", "strace"] as const) {
        const found = by(who)(parts.join(""), pointee);
        if (found !== undefined && "fault" in found) expect(found.length).toBeGreaterThan(0);
      }
    }),
  );
});
