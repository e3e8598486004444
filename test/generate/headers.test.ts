import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nameSet, nameSetNames } from "../../src/abi/flags.ts";

/**
 * Compares the tables with the results of a C compiler and this machine's kernel headers: an independent preprocessor
 * and packaging. Names of the kernel's internal headers, or newer than these headers, are not compared.
 */
const asm = ["ioctls", "signal", "ptrace-abi", "prctl", "socket", "mman"];
const linux =
  "bpf close_range eventfd eventpoll fadvise falloc fanotify fcntl fs futex if_tun inotify ipc kcmp kexec keyctl landlock membarrier memfd mman mount msg openat2 perf_event pidfd prctl ptrace random reboot resource sched seccomp sem shm signalfd sockios stat time timerfd userfaultfd wait xattr".split(
    " ",
  );
/** Enumerators, which #ifdef does not detect; all older than any header in use. */
const enumerators = [
  "BPF_PROG_LOAD",
  "BPF_LINK_CREATE",
  "KCMP_EPOLL_TFD",
  "MEMBARRIER_CMD_QUERY",
  "FSCONFIG_CMD_CREATE",
];

describe.runIf(process.arch === "x64")("flags and values", () => {
  it("agree with the C compiler", () => {
    const ours = new Map<string, bigint>();
    for (const set of nameSetNames()) {
      for (const { name, value } of nameSet(set)?.members ?? []) {
        if (value.x86_64 !== undefined) ours.set(name, value.x86_64);
      }
    }
    const print = (name: string) =>
      `printf("${name} %llx\\n", ${name} < 0 ? (unsigned)(${name}) : (unsigned long long)(${name}));\n`;
    const program = [
      ...asm.map((header) => `#include <asm/${header}.h>`),
      ...linux.map((header) => `#if __has_include(<linux/${header}.h>)\n#include <linux/${header}.h>\n#endif`),
      "int printf(const char *, ...);\nint main(void)\n{",
      ...[...ours.keys()].map((name) => `#ifdef ${name}\n${print(name)}#endif`),
      ...enumerators.map(print),
      "}\n",
    ].join("\n");
    const folder = mkdtempSync(join(tmpdir(), "portcullis-headers-"));
    try {
      writeFileSync(join(folder, "print.c"), program);
      execFileSync("cc", ["-w", "-o", join(folder, "print"), join(folder, "print.c")]);
      const lines = execFileSync(join(folder, "print"), { encoding: "utf8" }).trim().split("\n");
      expect(lines.length).toBeGreaterThan(700);
      const wrong = lines.filter((line) => {
        const [name = "", value] = line.split(" ");
        return BigInt(`0x${value}`) !== ours.get(name);
      });
      expect(wrong).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
