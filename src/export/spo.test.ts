import { expect, it } from "vitest";
import { programOf } from "../frontend/testing/compiled.ts";
import { exportSpo, isSpoSocket, objectName, spoSocket, spoText, yamlText } from "./spo.ts";

const name = { policy: "agents/no-git", digest: `sha256:${"0".repeat(64)}`, parameters: {} };
const exported = (body: string) =>
  exportSpo(programOf(body), { mode: "quiet", listenerPath: spoSocket, name }).profile!;

it("prints a manifest", () => {
  const profile = exported(
    'return call.name === "mkdir" ? deny("EDQUOT") : call.name === "sync" ? deny("EPERM") : allow;',
  );
  const lines = spoText(profile, name.policy).split("\n");
  expect(lines.slice(0, 9)).toEqual([
    'apiVersion: "security-profiles-operator.x-k8s.io/v1"',
    'kind: "SeccompProfile"',
    "metadata:",
    '  name: "agents-no-git"',
    "spec:",
    '  defaultAction: "SCMP_ACT_ERRNO"',
    '  architectures: ["SCMP_ARCH_X86_64"]',
    "  syscalls:",
    expect.stringMatching(/^ {2}- names: \["_sysctl", "accept", /),
  ]);
  expect(lines).toContain('  - names: ["mkdir"]');
  expect(lines).toContain("    errnoRet: 122");
  // EPERM is the default.
  expect(profile.syscalls.some(({ names }) => names.includes("sync"))).toBe(false);
});

it("has no number of more than 63 bits", () => {
  const profile = exported(
    'return call.name === "lseek" && call.raw.arg1 >= 1n << 63n ? deny("EPERM") : call.name === "dup" && call.args.fildes === 7n ? deny("EBADF") : allow;',
  );
  const rules = (call: string) => profile.syscalls.filter(({ names }) => names.includes(call));
  expect(rules("lseek")).toEqual([expect.objectContaining({ action: "SCMP_ACT_NOTIFY" })]);
  expect(rules("dup").length).toBeGreaterThan(1);
  expect(profile.listenerPath).toBe(spoSocket);
});

it("prints lists of maps, and quotes each text", () => {
  const made = yamlText({ a: [{ b: "on", c: [1, 2n] }, { d: { e: 'x"y\n' } }], f: [], g: undefined });
  expect(made).toBe('a:\n- b: "on"\n  c: [1, 2]\n- d:\n    e: "x\\"y\\n"\nf: []\n');
});

it("names objects and sockets as the operator permits", () => {
  expect(objectName("Against/CVE_2017-")).toBe("against-cve-2017");
  expect([spoSocket, "/run/agent.sock", "/var/run/security-profiles-operator/a/b"].map(isSpoSocket)).toEqual([
    true,
    false,
    false,
  ]);
});
