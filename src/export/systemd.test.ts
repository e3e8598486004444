import { expect, it } from "vitest";
import { programOf } from "../frontend/testing/compiled.ts";
import { systemdText } from "./systemd.ts";

const name = { policy: "p", digest: "sha256:0", parameters: { most: "2" } };
const textOf = (body: string, head?: string) => systemdText(programOf(body, head === undefined ? {} : { head }), name);
const lineOf = (text: string, start: string) => text.split("\n").find((line) => line.startsWith(start));

it("allows what some state and arguments allow, and lists what is lost", () => {
  const text = textOf(
    `
    if (call.name === "mkdir") return made.add(1n) > 2n ? deny("EDQUOT") : allow;
    if (call.name === "socket" && call.args.family.is("AF_INET")) return deny("EACCES");
    if (call.name === "ptrace" || call.name === "nanosleep" || call.name === "execve") return deny("EPERM");
    if (call.name === "bpf") return kill("process");
    if (call.name === "sync") return log;
    return allow;`,
    "const made = perTree.counter();",
  );
  expect(text.split("\n").slice(0, 8)).toEqual([
    "# The policy p --set most=2 (sha256:0), as far as systemd can express it.",
    "#",
    "# Lost: a call is allowed if the policy allows it in some state or with some arguments.",
    "# Rules that depend on state or memory: mkdir",
    "# Rules that depend on arguments: socket",
    "# Calls that the policy logs: sync",
    "# Calls that the policy refuses, but systemd itself makes: execve",
    "# Calls that the policy refuses otherwise than with EPERM: bpf",
  ]);
  expect(text).toContain("\nNoNewPrivileges=yes\nSystemCallArchitectures=native\nSystemCallErrorNumber=EPERM\n");
  const allowed = lineOf(text, "SystemCallFilter=")!.slice("SystemCallFilter=".length).split(" ");
  expect(allowed).toEqual(expect.arrayContaining(["mkdir", "socket", "sync", "exit_group"]));
  expect(allowed).not.toEqual(expect.arrayContaining(["ptrace"]));
  expect(text).toContain("\nSystemCallFilter=~bpf nanosleep ptrace\n");
});

it("kills where the policy kills each refused call", () => {
  const text = textOf('return call.name === "ptrace" ? kill("process") : allow;');
  expect(text).not.toContain("SystemCallErrorNumber");
  expect(text).not.toContain("otherwise");
});
