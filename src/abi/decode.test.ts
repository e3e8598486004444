import { expect, test } from "vitest";
import { callByName } from "./calls.ts";
import { decodeArguments, nameCall, printCall } from "./decode.ts";

function shown(name: string, ...registers: bigint[]): string {
  const words = [...registers, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6);
  return printCall(name, decodeArguments("x86_64", callByName(name), words));
}

test.each([
  [shown("openat", 0xffff_ff9cn, 0x7fff_1234n, 0x80000n, 0n), "openat(AT_FDCWD, 0x7fff1234, O_RDONLY|O_CLOEXEC, 0)"],
  [shown("openat", 3n, 0n, 0x241n, 0o644n), "openat(3, NULL, O_WRONLY|O_CREAT|O_TRUNC, 0644)"],
  [shown("socket", 2n, 0x80801n, 0n), "socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0)"],
  [shown("close", 0xffff_ffffn), "close(-1)"],
  [shown("lseek", 1n, (1n << 64n) - 1n, 0n), "lseek(1, -1, SEEK_SET)"],
  [shown("kill", 5n, 9n), "kill(5, SIGKILL)"],
  [shown("getppid"), "getppid()"],
  [
    shown("mmap", 0n, 4096n, 3n, 0x22n, 0xffff_ffffn, 0n),
    "mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
  ],
])("%s", (text, expected) => {
  expect(text).toBe(expected);
});

test("unused bits of a register are shown unless they are a sign extension", () => {
  expect(shown("socket", 0x1_0000_0002n, 1n, 0n)).toBe("socket(AF_INET /* register 0x100000002 */, SOCK_STREAM, 0)");
  // Compilers sign-extend.
  expect(shown("close", (1n << 64n) - 1n)).toBe("close(-1)");
});

test("bits without a name are shown in hexadecimal", () => {
  expect(shown("openat", 0xffff_ff9cn, 1n, 0x4000_0000n | 0x80000n, 0n)).toContain("O_RDONLY|O_CLOEXEC|0x40000000");
});

// The calls with `at` in their names share a set of flags, some of which belong to certain calls.
test.each([
  [shown("unlinkat", 3n, 0n, 0n), "unlinkat(3, NULL, 0)"],
  [shown("unlinkat", 3n, 0n, 0x200n), "unlinkat(3, NULL, AT_REMOVEDIR)"],
  [shown("faccessat2", 3n, 0n, 4n, 0x200n), "faccessat2(3, NULL, R_OK, AT_EACCESS)"],
  [shown("newfstatat", 3n, 0n, 0n, 0x1000n), "newfstatat(3, NULL, NULL, AT_EMPTY_PATH)"],
  [shown("statx", 3n, 0n, 0n), "statx(3, NULL, AT_STATX_SYNC_AS_STAT, 0, NULL)"],
  [shown("statx", 3n, 0n, 0x2000n), "statx(3, NULL, AT_STATX_FORCE_SYNC, 0, NULL)"],
  [shown("fchownat", 3n, 0n, 0n, 0n, 0x200n), "fchownat(3, NULL, 0, 0, 0x200)"],
])("%s", (text, expected) => {
  expect(text).toBe(expected);
});

test("calls of other ABIs and unknown numbers have their own names", () => {
  expect(nameCall("x86_64", 0xc000_003e, 257).name).toBe("openat");
  expect(nameCall("x86_64", 0x4000_0003, 11).name).toBe("call_11@i386");
  expect(nameCall("x86_64", 0xc000_003e, 0x4000_0000 | 39).name).toBe("call_39@x32");
  expect(nameCall("x86_64", 0xc000_003e, 9999).name).toBe("call_9999");
  expect(nameCall("x86_64", 0xc000_003e, -1).name).toBe("call_-1");
  expect(nameCall("aarch64", 0xc000_00b7, 56).name).toBe("openat");
});
