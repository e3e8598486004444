/** The command line passes a profile's host to the compiler: the running kernel, and the capabilities of --cap. */
import { release } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folderOf, portcullis } from "../cli/harness.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const here = `${major}.${minor}`;
const later = `${major}.${minor + 1}`;

const profile = (defaultAction: string, rule: object) =>
  JSON.stringify({ defaultAction, syscalls: [{ names: ["read", "futex_requeue"], action: "SCMP_ACT_ALLOW" }, rule] });

const refusing = (minKernel: string) =>
  profile("SCMP_ACT_ALLOW", { names: ["ptrace"], action: "SCMP_ACT_KILL_PROCESS", includes: { minKernel } });
const permitting = (minKernel: string) =>
  profile("SCMP_ACT_ERRNO", { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel } });

const why = async (text: string, ...more: string[]) => {
  const folder = folderOf({ "p.json": text });
  return (await portcullis("why", ...more, join(folder, "p.json"), "ptrace(0)")).out.split(/ {2}/)[0];
};

it("the running kernel selects the rules that apply", async () => {
  expect(await why(refusing(here))).toBe("ptrace(0): kill process");
  expect(await why(refusing(later))).toBe("ptrace(0): allow");
  expect(await why(permitting(here))).toBe("ptrace(0): allow");
  expect(await why(permitting(later))).toBe("ptrace(0): deny EPERM");
});

it("for another architecture the kernel is unknown, and rules are interpreted strictly", async () => {
  const other = process.arch === "x64" ? "aarch64" : "x86_64";
  expect(await why(refusing("6.99"), "--architecture", other)).toBe("ptrace(0): kill process");
  expect(await why(permitting("6.99"), "--architecture", other)).toBe("ptrace(0): deny EPERM");
});

it("a bundle may run on any kernel: its rules are interpreted strictly", async () => {
  const folder = folderOf({ "deny.json": refusing(later), "allow.json": permitting(here) });
  for (const [name, text] of [
    ["deny", "this rule is used"],
    ["allow", "this rule is dropped"],
  ] as const) {
    const output = join(folder, `${name}.pcl`);
    const { status, err } = await portcullis("compile", "-p", join(folder, `${name}.json`), "-o", output);
    expect({ status, err }).toEqual({ status: 0, err: expect.stringContaining(text) });
  }
});

const privileged = profile("SCMP_ACT_ERRNO", {
  names: ["ptrace"],
  action: "SCMP_ACT_ALLOW",
  includes: { caps: ["CAP_SYS_PTRACE"] },
});

it("--cap sets the command's capabilities", async () => {
  const file = join(folderOf({ "p.json": privileged }), "p.json");
  expect((await portcullis("check", file)).err).toMatch(
    /warning P0701: .*CAP_SYS_PTRACE[\s\S]*help: --cap CAP_SYS_PTRACE/,
  );
  expect((await portcullis("check", "--cap", "CHOWN", file)).err).not.toContain("P0701: rules of this profile");
  expect(await why(privileged)).toBe("ptrace(0): deny EPERM");
  for (const name of ["CAP_SYS_PTRACE", "SYS_PTRACE", "sys_ptrace", "ALL"]) {
    expect(await why(privileged, "--cap", name)).toBe("ptrace(0): allow");
  }
  const wrong = await portcullis("check", "--cap", "SYS_PTRAC", file);
  expect(wrong).toMatchObject({ status: 125, err: expect.stringContaining("write --cap CAP_SYS_PTRACE") });
});

it("--cap also applies to imported profiles, unless the policy sets their capabilities", async () => {
  const module = (settings: string) => `import { oci } from "portcullis";
import profile from "./p.json" with { type: "json" };
export default oci(profile${settings});
`;
  const folder = folderOf({
    "p.json": privileged,
    "asks.ts": module(""),
    "says.ts": module(", { capabilities: [] }"),
    "none.ts": `import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n`,
  });
  const asked = await portcullis("why", "--cap", "SYS_PTRACE", join(folder, "asks.ts"), "ptrace(0)");
  expect(asked.out).toContain("ptrace(0): allow");
  for (const name of ["says.ts", "none.ts"]) {
    const { status, err } = await portcullis("check", "--cap", "SYS_PTRACE", join(folder, name));
    expect({ status, err }).toMatchObject({ status: 125, err: expect.stringContaining("P0909") });
  }
  expect((await portcullis("check", join(folder, "says.ts"))).err).not.toContain("no capability");
});

it("a profile's default action and its ENOSYS for newer calls are not rules for exempt calls", async () => {
  const old = JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["read", "openat"], action: "SCMP_ACT_ALLOW" }],
  });
  const { err } = await portcullis("check", join(folderOf({ "old.json": old }), "old.json"));
  expect(err).not.toContain("P0509");
});

describe("errnoRet 0", () => {
  const text = JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["getppid"], action: "SCMP_ACT_ERRNO", errnoRet: 0 }],
  });
  const said = "deny 0 (returns 0 without being made)";
  const files = () => {
    const trace = '{"v":1,"kind":"call","tid":1,"call":"getppid","arguments":[]}\n';
    const folder = folderOf({ "p.json": text, "p.cases": "a getppid() deny 0\n", "t.jsonl": trace });
    return { policy: join(folder, "p.json"), trace: join(folder, "t.jsonl") };
  };

  it("is explained wherever the verdict is shown", async () => {
    const { policy, trace } = files();
    expect((await portcullis("check", policy)).err).toMatch(/warning P0701: with errno 0 the call returns 0 without/);
    expect((await portcullis("why", policy, "getppid()")).out).toContain(`getppid(): ${said}`);
    // The column is narrower than the text.
    expect((await portcullis("explain", policy)).out).toMatch(/deny 0 \(returns 0 without being .*\n +made\)/);
    expect((await portcullis("explain", "--ir", policy)).out).toContain(said);
    const listing = (await portcullis("disasm", "--pure", policy)).out;
    expect(listing).toContain(`getppid: ${said}`);
    expect(listing).toMatch(/ret ERRNO +; returns 0 without being made$/m);
    const simulated = await portcullis("simulate", policy, trace);
    expect(simulated).toMatchObject({ status: 1, out: expect.stringContaining(said) });
    expect(simulated.err).toContain(`1 ${said}`);
  });

  it("is a short verdict for programs and in case files", async () => {
    const { policy, trace } = files();
    const verdict = { verdict: "deny 0", does: "returns 0 without being made" };
    const { out } = await portcullis("why", "--json", policy, "getppid()");
    const found = JSON.parse(out);
    expect(found).toMatchObject({ verdict: "deny 0", passes: false, atFirst: verdict });
    expect(found.cases[0].outcomes[0].verdicts).toMatchObject([verdict]);
    expect(JSON.parse((await portcullis("simulate", "--json", policy, trace)).out).verdict).toBe("deny 0");
    expect(await portcullis("test", policy)).toMatchObject({ status: 0, out: expect.stringContaining("1 cases pass") });
  });
});
