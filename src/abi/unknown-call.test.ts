import { expect, test } from "vitest";
import { callByName } from "./calls.ts";
import { groups } from "./groups.ts";
import { explainUnknownCall, knownOrigins } from "./unknown-call.ts";

test("no function has the name of a call, and each maps to existing calls", () => {
  const known = [...knownOrigins()];
  expect(known.length).toBeGreaterThan(150);
  expect(known.filter(([name]) => callByName(name) !== undefined)).toEqual([]);
  expect(known.flatMap(([, calls]) => calls).filter((name) => callByName(name) === undefined)).toEqual([]);
});

test.each([
  ["fopen", '"fopen" is a C library function', 'write "openat", or calls.open.has(call)'],
  ["fstatat", "C library function", 'write "newfstatat"'],
  ["pread", "C library function", 'write "pread64"'],
  ["send", "C library function", 'write "sendto", or calls.send.has(call) for all that send on a socket'],
  ["recv", "C library function", 'write "recvfrom"'],
  ["waitpid", "C library function", 'write "wait4"'],
  ["system", "C library function", 'calls("clone", "clone3", "execve").has(call)'],
  ["getaddrinfo", "C library function", 'calls("socket", "connect", "sendto").has(call)'],
  ["mmap2", "a call of 32-bit programs", 'write "mmap"'],
  ["socketcall", "a call of 32-bit programs", 'calls("socket", "connect", "bind")'],
  ["__NR_openat", "no system call is named", 'write "openat"'],
  ["OPENAT", "no system call is named", 'write "openat"'],
  ["network-io", "no system call is named", 'calls("@network-io").has(call)'],
  ["@network-io", "is a group of calls", 'calls("@network-io").has(call)'],
  ["@network", "no group of calls", '"@network-io"'],
  ["@known", "no group of calls", "leave the group out"],
  ["@swapp", "no group of calls", '"@swap"'],
  ["~@mount", "no system call is named", '.without("@mount")'],
  ["epoll_pwait*", "names have no wildcards", 'calls("epoll_pwait", "epoll_pwait2")'],
  ["zzzzzzzz", "no system call is named", "strace -f COMMAND"],
])("%s", (name, message, help) => {
  const explained = explainUnknownCall(name);
  expect(explained.message).toContain(message);
  expect(explained.help).toContain(help);
});

test("explains any name, with a remedy", () => {
  for (const name of [
    "",
    "*",
    "a*b*c",
    "@",
    "(",
    "[*",
    "__proto__",
    "constructor",
    "~",
    "a".repeat(100_000),
    "\u0000",
    ...groups().keys(),
  ]) {
    expect(explainUnknownCall(name).help).not.toBe("");
  }
});
