/** The members of a call: its arguments by name, its registers, its caller, and mistakes. */
import { describe, expect, it } from "vitest";
import { compiled, faults, step } from "../../testing/compiled.ts";

const first = (condition: string) => step(`return ${condition} ? log : allow;`)[0];
const found = (condition: string) => faults(`return (${condition}) ? log : allow;`);

describe("a member", () => {
  it.each([
    ["call.number > 3n", "if 3 <u number"],
    ["call.instructionPointer > 4n", "if 4 <u instructionPointer"],
    ["call.caller.uid === 0n && call.caller.gid > 1n", "if (uid == 0 and 1 <u gid)"],
    ["call.caller.tid === call.caller.pid", "if tid == pid"],
    ["call.raw.arg5 === 1n", "if argument5 == 1"],
    ['call.name === "read" && call.args.fd > 2n', "if (number == read and 2 <u u32(argument0))"],
    ['call.name === "read" && call.args.buf.isNull', "if (number == read and argument1 == 0)"],
    [
      'call.name === "mmap" && call.args.prot.has("PROT_READ", "PROT_EXEC")',
      "if (number == mmap and (argument2 & 1) == 1 and (argument2 & 4) == 4)",
    ],
    ['call.name === "mmap" && call.args.prot.hasOnly("PROT_NONE")', "if (number == mmap and argument2 == 0)"],
    // One argument of calls that pass it in different registers.
    [
      '(call.name === "chmod" || call.name === "fchmodat") && call.args.mode === 0n',
      "if ((number == chmod or number == fchmodat) and (number == chmod ? (u16(argument1) & 4095) : (u16(argument2) & 4095)) == 0)",
    ],
  ])("%s", (condition, test) => {
    expect(first(condition)).toBe(test);
  });

  it("the architecture is known at compile time", () => {
    expect(first('call.architecture === "x86_64"')).toBe("return 1 log");
    expect(step('return call.architecture === "x86_64" ? log : allow;', { architecture: "aarch64" })[0]).toBe(
      "return 1 allow",
    );
  });

  it("O_WRONLY and O_CREAT alone do not permit O_RDWR, or both bits of the access mode", () => {
    // mq_open's flags are not rewritten, so the test is the plain one.
    expect(first('call.name === "mq_open" && call.args.oflag.hasOnly("O_WRONLY", "O_CREAT")')).toMatch(
      /u32\(argument1\) & 3\) in \{0 to 1\}/,
    );
  });
});

const firstTest = "test the call's name first: `case`, call.name === …, or set.has(call)";
const read = (member: string) => `call.name === "read" && call.args${member}`;
it.each([
  ["call.nam === `read`", "14 P0106 the call has no `nam` → did you mean `name`?"],
  ["call.raw.arg6 > 1n", "18 P0106 a register set has no `arg6` → did you mean `arg0`?"],
  ["call.caller.euid === 0n", "21 P0106 a caller has no `euid` → `uid` is the effective user"],
  ["call.args.fd > 2n", `19 P0211 which call's arguments? The call is not known here → ${firstTest}`],
  ["call.args[1] === 2n", "9 P0309 arguments have names, not numbers → `call.raw.arg1` is the register"],
  [read("[1] === 2n"), "33 P0309 arguments have names, not numbers → write `call.args.buf`"],
  [read(".fdd === 2n"), "43 P0102 read has no argument `fdd` → did you mean `fd`? read has fd, buf, count"],
  [read(".arg1 === 2n"), "43 P0102 read has no argument `arg1` → write `call.args.buf`; read has fd, buf, count"],
  [read(".size === 2n"), "43 P0102 read has no argument `size` → read has fd, buf, count"],
  [
    read(".buf > 3n"),
    "33 P0208 a Pointer is compared with an integer → `.isNull` tests for null, `.address` is the integer",
  ],
  [
    'call.name === "openat" && call.args.filename.isNull',
    "45 P0102 openat has no argument `filename` → it is called `path` here; openat has dirfd, path, flags, mode",
  ],
  ['call.name === "getpid" && call.args.fd > 3n', "45 P0102 getpid has no argument `fd` → getpid has no arguments"],
  [
    '(call.name === "read" || call.name === "getpid") && call.args.fd > 3n',
    `71 P0211 not every call that is possible here has an argument \`fd\`: getpid has none → ${firstTest}`,
  ],
  [
    '(call.name === "openat" || call.name === "mmap") && call.args.flags.has("O_CREAT")',
    "71 P0211 `flags` has different types in mmap and in openat → test the call's name first: `case`, or call.name === …",
  ],
  [
    'call.name === "openat" && call.raw.arg3 > 0o777n',
    "40 P0507 the kernel uses 16 bits of this register for openat's `mode`; a test on all 64 can be bypassed → call.args.mode",
  ],
  [
    'call.name === "socket" && call.args.family.is()',
    '35 P0212 `.is()` names no value → name at least one: `.is("…")`',
  ],
  ['call.name === "socket" && call.args.family.is(2n)', "55 P0207 `.is` takes names, not an integer"],
  [
    'call.name === "socket" && call.args.family.is("AF_INETT")',
    '55 P0104 `family` has no value named "AF_INETT" → did you mean "AF_INET"?',
  ],
])("a fault: %s", (condition, fault) => {
  expect(found(condition)).toEqual([`policy.ts:3:${fault}`]);
});

it("a name that this architecture lacks is a warning, and never true", () => {
  const body = 'return call.name === "mmap" && call.args.flags.has("MAP_32BIT") ? log : allow;';
  expect(faults(body)).toEqual([]);
  const { diagnostics } = compiled(body, { architecture: "aarch64" });
  expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["P0505", "warning"]]);
});
