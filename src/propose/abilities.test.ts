/** What a proposal says that a process can still do, against what the policy allows. */
import { describe, expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { abilitiesOf, describeAbilities } from "./abilities.ts";
import { propose } from "./proposal.ts";
import { historyOf, type Line, many } from "./testing/lines.ts";

function abilities(lines: readonly Line[], options: { phases?: "none" | "usual" } = {}) {
  const proposal = propose(historyOf([lines]), { phases: "usual", with: [], origin: "A test.", ...options });
  const { program } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => proposal.policy });
  return abilitiesOf(program!, proposal);
}

const exec: Line = [1, "execve", "/bin/sh"];
const start: Line[] = [
  exec,
  [1, "mmap", 0, 4096, 5, 2, 3, 0],
  [1, "socket", 10, 1, 0],
  [1, "connect", 3],
  [1, "bind", 3],
  [1, "setuid", 33],
  [1, "ptrace", 0],
  [1, "clone", 0x1200011, 0, 0, 0, 0],
  [1, "listen", 3],
];
const serving = (flags: number): Line[] => [
  ...many(150, [1, "epoll_wait", 3]),
  [1, "openat", 0, 0, flags, 0],
  ...many(150, [1, "epoll_wait", 3]),
];

describe("abilities", () => {
  it("are those of the last phase", () => {
    const [only, ...others] = abilities([...start.slice(1), ...serving(0)]);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ roles: ["main"], phase: "running", can: [] });
    expect(only!.cannot).toContain("execute programs");
    expect(describeAbilities([only!])[0]).toBe("the program, once running: nothing of this list");
  });

  it("are all without phases, with the families of sockets", () => {
    const [only] = abilities([...start, ...serving(0)], { phases: "none" });
    expect(only!.can).toEqual([
      ...[
        "execute programs",
        "start processes",
        "make executable memory",
        "open sockets (AF_INET6)",
        "connect",
        "listen",
      ],
      ...["change its user or groups", "trace or read other processes"],
    ]);
    expect(only!.cannot).toContain("write files");
  });

  it.each([
    [1, true],
    [2, true],
    [0o1101, true],
    [0o2_000_100, true],
    [0o2_000_000, false],
  ])("see in the flags 0o%o whether a process writes files", (flags, writes) => {
    const [only] = abilities([...start.slice(1), ...serving(flags)]);
    expect(only!.can).toEqual(writes ? ["write files wherever its user can"] : []);
  });

  it.each([
    // No rule is made of its flags.
    ["shared memory", "shmat", 0, 0, 0, true],
    ["a question for the personality", "personality", 0xffff_ffff, 0, 0, false],
  ] as const)("count %s as executable memory or not", (_, call, first, second, third, makes) => {
    const recording: Line[] = [...start.slice(2), ...many(150, [1, "epoll_wait", 3]), [1, call, first, second, third]];
    const [only] = abilities(recording, { phases: "none" });
    expect(only!.can.includes("make executable memory")).toBe(makes);
  });
});
