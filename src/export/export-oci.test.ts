import { describe, expect, it } from "vitest";
import { programOf } from "../frontend/testing/compiled.ts";
import { exportOci, type OciOptions, ociText } from "./oci.ts";

const name = { policy: "p", digest: `sha256:${"0".repeat(64)}`, parameters: {} };
const options: OciOptions = { mode: "quiet", listenerPath: "/run/agent.sock", name };
const exported = (body: string, more: Partial<OciOptions> = {}, head?: string) =>
  exportOci(programOf(body, head === undefined ? {} : { head }), { ...options, ...more });
const rulesFor = (call: string, made: ReturnType<typeof exported>) =>
  made.profile!.syscalls.filter(({ names }) => names.includes(call)).map(({ names: _, ...rule }) => rule);

describe("a policy without state", () => {
  const made = exported(`
    if (call.name === "mkdir") return deny("EDQUOT");
    if (call.name === "getpid") return kill("process");
    if (call.name === "gettid") return kill("thread");
    if (call.name === "sync") return trap();
    if (call.name === "dup" && call.args.fildes === 3n) return log;
    if (call.name === "lseek" && call.raw.arg1 >= 0xffff_ffff_ffff_fff0n) return deny("EOVERFLOW");
    return allow;`);

  it("needs no agent", () => {
    expect(made.filter!.needsAgent).toBe(false);
    expect(Object.keys(made.profile!)).toEqual(["defaultAction", "defaultErrnoRet", "architectures", "syscalls"]);
    expect(made.profile).toMatchObject({ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38 });
    expect(made.profile!.architectures).toEqual(["SCMP_ARCH_X86_64"]);
    expect(made.hindrances).toEqual(["runc cannot start with this profile, which refuses getpid"]);
  });

  it("has rules for each action", () => {
    expect(rulesFor("mkdir", made)).toEqual([{ action: "SCMP_ACT_ERRNO", errnoRet: 122 }]);
    expect(rulesFor("getpid", made)).toEqual([{ action: "SCMP_ACT_KILL_PROCESS" }]);
    expect(rulesFor("gettid", made)).toEqual([{ action: "SCMP_ACT_KILL_THREAD" }]);
    expect(rulesFor("sync", made)).toEqual([{ action: "SCMP_ACT_TRAP" }]);
    expect(rulesFor("exit_group", made)).toEqual([{ action: "SCMP_ACT_ALLOW" }]);
    expect(rulesFor("dup", made)).toContainEqual({
      action: "SCMP_ACT_LOG",
      args: [{ index: 0, value: 0xffff_ffffn, valueTwo: 3n, op: "SCMP_CMP_MASKED_EQ" }],
    });
    // Refused before every policy.
    expect(rulesFor("io_uring_setup", made)).toEqual([]);
  });

  it("writes numbers of 64 bits", () => {
    expect(ociText(made.profile!)).toContain('"value":18446744073709551600,"valueTwo":18446744073709551600');
    expect(JSON.parse(ociText(made.profile!))).toMatchObject({ defaultErrnoRet: 38 });
  });
});

describe("a policy with state", () => {
  const head = "const made = perTree.counter();";
  const body = 'return call.name === "mkdir" && made.add(1n) > 2n ? deny("EDQUOT") : allow;';

  it("notifies of calls that change it, and of executions", () => {
    const { profile, filter } = exported(body, {}, head);
    expect(filter!.needsAgent).toBe(true);
    expect(profile).toMatchObject({
      listenerPath: "/run/agent.sock",
      listenerMetadata: JSON.stringify({ portcullis: 1, ...name }),
    });
    for (const call of ["mkdir", "execve", "execveat"]) {
      expect(rulesFor(call, { profile } as ReturnType<typeof exported>)).toEqual([{ action: "SCMP_ACT_NOTIFY" }]);
    }
    expect(profile!.flags).toBeUndefined();
  });

  it("waits for fatal signals only, if that is requested", () => {
    expect(exported(body, { waitsKillable: true }, head).profile!.flags).toEqual([
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]);
  });

  it("is one that runc refuses if it notifies of write", () => {
    const { hindrances } = exported(body.replace("mkdir", "write"), {}, head);
    expect(hindrances).toEqual(["runc refuses a profile that notifies of write; crun accepts it"]);
  });
});

it("leaves to the agent what libseccomp cannot compare", () => {
  const { profile, filter } = exported(
    'return call.name === "lseek" && call.raw.arg1 < call.raw.arg2 ? deny("EPERM") : allow;',
  );
  expect(filter!.needsAgent).toBe(true);
  expect(profile!.syscalls.find(({ names }) => names.includes("lseek"))?.action).toBe("SCMP_ACT_NOTIFY");
});

it("notifies of an execution that a policy without state refuses, because the runtime makes one", () => {
  const { profile } = exported('return call.name === "execve" ? deny("EPERM") : allow;');
  expect(profile!.syscalls.find(({ names }) => names.includes("execve"))?.action).toBe("SCMP_ACT_NOTIFY");
});

it("does not export a verdict that the engine cannot give", () => {
  const { profile, diagnostics } = exported(
    'return call.name === "mkdir" && made.add(1n) > 2n ? trap() : allow;',
    {},
    "const made = perTree.counter();",
  );
  expect(profile).toBeUndefined();
  expect(diagnostics.map(({ code }) => code)).toEqual(["P0604"]);
});
