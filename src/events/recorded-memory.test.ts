/** The memory behind pointers in events: in place of the pointer for people, as data for programs. */
import fc from "fast-check";
import { expect, describe as group, test } from "vitest";
import { numberOf } from "../abi/calls.ts";
import { isUnsafe } from "../diagnostics/width.ts";
import { describe } from "./describe.ts";
import type { DecisionEvent } from "./event.ts";
import { printLine } from "./line.ts";
import { type PolicyDescription, pinObstacles, type RecordedMemory } from "./record.ts";
import { judgement } from "./testing/judgement.ts";

const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "p",
  files: ["p.ts"],
  verdicts: [{ action: "deny", errno: 13, reason: undefined, at: undefined }],
  reports: [],
  phases: [],
};
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (name: string, content: string | Uint8Array, isCut = false): RecordedMemory => ({
  name,
  memory: { is: "text", bytes: typeof content === "string" ? utf8(content) : content },
  isCut,
});
const list = (name: string, entries: readonly string[], isCut = false): RecordedMemory => ({
  name,
  memory: { is: "strings", entries: entries.map((entry) => ({ bytes: utf8(entry), isCut: entry.length >= 512 })) },
  isCut,
});
const address = (...bytes: number[]): RecordedMemory => ({
  name: "addr",
  memory: { is: "address", bytes: Uint8Array.from(bytes) },
  isCut: false,
});

function eventOf(call: string, registers: readonly bigint[], memory: readonly RecordedMemory[]): DecisionEvent {
  const padded = [...registers, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6);
  const record = judgement({ number: numberOf(call, "x86_64")!, arguments: padded, memory });
  return describe(policy, record)[0] as DecisionEvent;
}
const lineOf = (...given: Parameters<typeof eventOf>): string => {
  const line = printLine(eventOf(...given));
  return line.slice(line.indexOf(": ") + 2, line.lastIndexOf(": denied"));
};

const unix = (path: string) => address(1, 0, ...utf8(path));
const ip4 = address(2, 0, 1, 187, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
const ip6 = address(10, 0, 0, 80, 0, 0, 0, 0, ...new Array<number>(15).fill(0), 1, 0, 0, 0, 0);
const mapped = address(10, 0, 0, 80, 0, 0, 0, 0, ...new Array<number>(10).fill(0), 255, 255, 10, 0, 0, 1, 0, 0, 0, 0);

group("the line for people", () => {
  test.each([
    ["openat", [0xffff_ff9cn, 4096n], [text("path", "/etc/shadow")], 'openat(AT_FDCWD, "/etc/shadow", O_RDONLY, 0)'],
    ["connect", [3n, 4096n, 16n], [ip4], "connect(3, 10.0.0.1:443, 16)"],
    ["connect", [3n, 4096n, 28n], [ip6], "connect(3, [::1]:80, 28)"],
    ["connect", [3n, 4096n, 28n], [mapped], "connect(3, [::ffff:a00:1]:80, 28)"],
    ["connect", [3n, 4096n, 13n], [unix("/run/agent\0")], "connect(3, unix:/run/agent, 13)"],
    ["connect", [3n, 4096n, 13n], [unix("/run/a b\0")], 'connect(3, unix:"/run/a b", 13)'],
    ["connect", [3n, 4096n, 7n], [unix("\0name")], "connect(3, abstract:@name, 7)"],
    ["connect", [3n, 4096n, 2n], [unix("")], "connect(3, unix:, 2)"],
    ["connect", [3n, 4096n, 4n], [address(17, 0, 0, 0)], "connect(3, family:17, 4)"],
    [
      "execve",
      [1n, 2n, 3n],
      [text("path", "/usr/bin/git"), list("argv", ["git", "log"]), list("envp", ["A=1"], true)],
      'execve("/usr/bin/git", ["git", "log"], ["A=1", ...])',
    ],
    ["execve", [1n, 2n], [list("argv", ["x".repeat(512)])], `execve(0x1, ["${"x".repeat(512)}"...], NULL)`],
    ["unlink", [1n], [text("path", "\u001b[2Ja\u202e", true)], String.raw`unlink("\033[2Ja\342\200\256"...)`],
    [
      "openat2",
      [3n, 0n, 1n, 24n],
      [
        {
          name: "how",
          memory: { is: "structure", bytes: Uint8Array.from({ length: 24 }, (_, at) => (at === 16 ? 8 : 0)) },
          isCut: false,
        } as const,
      ],
      "openat2(3, NULL, {flags=O_RDONLY, mode=0, resolve=RESOLVE_BENEATH}, 24)",
    ],
    ["sendmsg", [3n, 1n], [{ ...ip4, name: "msg" }], "sendmsg(3, {msg_name=10.0.0.1:443}, 0)"],
    [
      "sendmsg",
      [3n, 1n],
      [{ name: "msg", memory: { is: "address", bytes: new Uint8Array(0), controlLength: 24n }, isCut: false }],
      "sendmsg(3, {msg_name=NULL, msg_controllen=24}, 0)",
    ],
  ] as const)("%s(%o, %o)", (call, registers, memory, line) => {
    expect(lineOf(call, registers, memory)).toBe(line);
  });

  test("has no control sequences, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 130 }), (bytes) => {
        for (const is of ["text", "address", "structure"] as const) {
          const line = lineOf("connect", [3n, 1n], [{ name: "addr", memory: { is, bytes }, isCut: false }]);
          // printLine() would replace it, and a reader could not tell what it was.
          expect([...line].filter((one) => isUnsafe(one.codePointAt(0)!) || one === "\ufffd")).toEqual([]);
        }
      }),
    );
  });
});

group("the reason", () => {
  test("names the entries for which a rule has given the verdict", () => {
    const shown = (text: string, isCut: boolean) => ({ bytes: utf8(text), isCut });
    const refused = [shown("PAGER=a\nb", false), shown("TOKEN=", true)];
    const memory: RecordedMemory = { name: "envp", memory: { is: "strings", entries: refused, refused }, isCut: false };
    const event = eventOf("execve", [1n, 2n, 3n], [memory]);
    expect(event.reason).toBe(String.raw`PAGER=a\nb, TOKEN=...`);
    expect(event.memory).toEqual({ envp: ["PAGER=a\nb", { starts: "TOKEN=" }] });
  });
});

group("the members for programs", () => {
  test("are absent where no memory was read", () => {
    expect(eventOf("openat", [], [])).not.toHaveProperty("memory");
    expect(eventOf("openat", [], [text("path", "/a")])).not.toHaveProperty("cut");
  });

  test.each([
    [text("path", "/etc/shadow"), { path: "/etc/shadow" }],
    [text("path", Uint8Array.of(0x2f, 0xff)), { path: { hex: "2fff" } }],
    [list("argv", ["git", "log"]), { argv: ["git", "log"] }],
    [ip4, { addr: { kind: "ip", address: "10.0.0.1", port: 443 } }],
    [ip6, { addr: { kind: "ip", address: "::1", port: 80 } }],
    [unix("/run/agent\0"), { addr: { kind: "unix", path: "/run/agent" } }],
    [unix("\0n"), { addr: { kind: "abstract", name: "n" } }],
    [unix(""), { addr: { kind: "unnamed" } }],
    [address(16, 0, 0, 0), { addr: { kind: "netlink" } }],
    [address(17, 0), { addr: { kind: "other", family: 17 } }],
  ])("%j", (memory, json) => {
    expect(eventOf("connect", [], [memory]).memory).toEqual(json);
  });

  test("name the omitted rest", () => {
    expect(eventOf("execve", [], [text("path", "/a"), list("argv", ["a"], true)]).cut).toEqual(["argv"]);
  });

  test("have the fields of a structure as arguments are written", () => {
    const bytes = new Uint8Array(24);
    bytes[2] = 8;
    const how: RecordedMemory = { name: "how", memory: { is: "structure", bytes }, isCut: false };
    expect(eventOf("openat2", [], [how]).memory).toEqual({
      how: { flags: "O_RDONLY|O_CLOEXEC", mode: "0", resolve: "0" },
    });
  });
});

test.each(pinObstacles)("the refusal of a call that cannot be pinned has the cause and a remedy: %s", (why) => {
  const record = judgement({ number: 2, arguments: [], verdict: "unpinned", errno: 1, pin: { why, errno: 12 } });
  const [event] = describe(policy, record) as [DecisionEvent];
  expect(event.reason).toMatch(/^the memory behind its pointers could not be pinned: .+ \(ENOMEM\)$/);
  expect(event.advice).toMatch(/./);
});
