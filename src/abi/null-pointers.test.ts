import { expect, test } from "vitest";
import { allCalls, callByName, numberOf, registerOf } from "./calls.ts";
import { nullPointer } from "./null-pointers.ts";
import { pointeeOf } from "./pointees.ts";

/** The meaning of NULL for the argument of this name, where the other registers are as given, and 0 or unknown otherwise. */
function meaning(name: string, parameter: string, given: Readonly<Record<string, bigint>> = {}, unknown = 0n) {
  const call = callByName(name)!;
  const at = (one: string) =>
    registerOf(
      call,
      call.parameters.findIndex((found) => found.name === one),
      "x86_64",
    );
  const values = new Map(Object.entries(given).map(([one, value]) => [at(one), value]));
  return nullPointer("x86_64", numberOf(name, "x86_64")!, at(parameter), (index) =>
    values.has(index) ? { value: values.get(index)!, unknown: 0n } : { value: 0n, unknown },
  );
}

/** The last 64 bits of a C int. */
const workingDirectory = 0xffff_ff9cn;
const everything = 0xffff_ffff_ffff_ffffn;

const cases: readonly (readonly [string, string, Readonly<Record<string, bigint>>, string])[] = [
  ["open", "path", {}, "address"],
  ["execve", "path", {}, "address"],
  ["execve", "argv", {}, "absent"],
  ["execveat", "envp", {}, "absent"],
  ["connect", "addr", { addrlen: 16n }, "address"],
  ["sendto", "addr", { addr_len: 16n }, "absent"],
  ["sendmsg", "msg", {}, "address"],
  ["openat2", "how", { usize: 24n }, "address"],
  ["mount", "source", {}, "absent"],
  ["mount", "target", {}, "address"],
  ["newfstatat", "path", { flag: 0n }, "address"],
  ["newfstatat", "path", { flag: 0x1100n }, "empty-path"],
  ["statx", "path", { flags: 0x100n }, "address"],
  ["statx", "path", { flags: 0x1000n }, "empty-path"],
  ["move_mount", "from_pathname", { flags: 0x40n }, "address"],
  ["move_mount", "to_pathname", { flags: 0x40n }, "empty-path"],
  ["utimensat", "path", { dirfd: workingDirectory }, "address"],
  ["utimensat", "path", { dirfd: workingDirectory | (1n << 32n) }, "address"],
  ["utimensat", "path", { dirfd: 3n }, "absent"],
  ["faccessat2", "path", { flags: 0x1000n }, "address"],
];
test.each(cases.map(([call, parameter, given, wanted]) => ({ call, parameter, given, wanted })))(
  "$call: $parameter, case %#",
  ({ call, parameter, given, wanted }) => {
    expect(meaning(call, parameter, given)).toBe(wanted);
  },
);

test("an unknown bit is as in the call without the argument", () => {
  expect(meaning("newfstatat", "path", {}, everything)).toBe("empty-path");
  expect(meaning("utimensat", "path", {}, everything)).toBe("absent");
  expect(meaning("open", "path", {}, everything)).toBe("address");
});

test("every argument about which a policy can ask has a meaning, and no other", () => {
  for (const call of allCalls)
    for (const { name, kind } of call.parameters) {
      if (numberOf(call.name, "x86_64") === undefined) continue;
      const asks = kind.is === "pointer" && pointeeOf(call.name, name) !== undefined;
      expect([call.name, name, meaning(call.name, name) !== undefined]).toEqual([call.name, name, asks]);
    }
});
