/** crun and runc run containers under exported profiles, and systemd accepts exported drop-ins. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { folderOf, portcullis } from "../cli/harness.ts";
import {
  type BundleOptions,
  makeBundle,
  removeBundle,
  runBundle,
  runtimes,
  whyNoContainer,
} from "../support/oci-bundle.ts";

const policy = `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "mkdir") return deny("EDQUOT");
  if (call.name === "unshare" && call.args.flags.has("CLONE_NEWIPC")) return deny("EXDEV");
  return allow;
});
`;
const attempts = "echo started; mkdir /tmp/made; unshare --ipc true; unshare --uts true";

async function exported(format: string, ...words: readonly string[]): Promise<string> {
  const file = join(folderOf({ "p.ts": policy }), "p.ts");
  const { status, out, err } = await portcullis("export", format, ...(words.length === 0 ? [file] : words));
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return out;
}

describe.each(runtimes)("%s", (runtime) => {
  const run = (options: BundleOptions) => {
    const bundle = makeBundle(options);
    onTestFinished(() => removeBundle(bundle));
    return runBundle(runtime, bundle);
  };

  it("runs a program and refuses what the policy refuses", async ({ skip }) => {
    const reason = whyNoContainer(runtime);
    if (reason !== undefined) skip(reason);
    const { status, stdout, stderr } = run({ args: ["sh", "-c", attempts], seccomp: await exported("oci") });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "started\n" });
    expect(stderr.match(/(?:mkdir|unshare): .*/g)).toEqual([
      "mkdir: cannot create directory '/tmp/made': Disk quota exceeded",
      "unshare: unshare failed: Invalid cross-device link",
      // The container has no capability.
      "unshare: unshare failed: Operation not permitted",
    ]);
  });

  it("runs a program under a ready policy", async ({ skip }) => {
    const reason = whyNoContainer(runtime);
    if (reason !== undefined) skip(reason);
    const seccomp = await exported("oci", "against/cve-2017-5123");
    expect(run({ args: ["perl", "-e", "system 'echo', 'it works'"], seccomp })).toEqual({
      status: 0,
      stdout: "it works\n",
      stderr: expect.not.stringMatching(/error/i),
    });
  });

  it("starts no container without the agent that the profile needs", async ({ skip }) => {
    const reason = whyNoContainer(runtime);
    if (reason !== undefined) skip(reason);
    const seccomp = await exported("oci", "--listener", join(folderOf({}), "absent.sock"), "children");
    const { status, stdout } = run({ args: ["echo", "started"], seccomp });
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
  });
});

it("crun installs the exact filter of annotations", async ({ skip }) => {
  const reason = whyNoContainer("crun");
  if (reason !== undefined) skip(reason);
  const { annotations } = JSON.parse(await exported("crun")) as { readonly annotations: Record<string, string> };
  const bundle = makeBundle({ args: ["sh", "-c", attempts], annotations });
  onTestFinished(() => removeBundle(bundle));
  const { stdout, stderr } = runBundle("crun", bundle);
  expect(stdout).toBe("started\n");
  expect(stderr).toContain("Disk quota exceeded");
  expect(stderr).toContain("Invalid cross-device link");
});

it("exports a drop-in for each policy that systemd accepts", async ({ skip }) => {
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) skip("systemd is not installed");
  const units = folderOf({ "a.service": "[Service]\nExecStart=/bin/true\n" });
  mkdirSync(join(units, "a.service.d"));
  for (const name of ["server", "exec-once", "against/cve-2017-5123", "agents/no-git"]) {
    const file = join(units, "a.service.d/p.conf");
    expect(await portcullis("export", "systemd", "-o", file, name)).toMatchObject({ status: 0, err: "" });
    expect(readFileSync(file, "utf8")).toContain("\nNoNewPrivileges=yes\n");
    const ran = spawnSync("systemd-analyze", ["verify", "--man=no", join(units, "a.service")], { encoding: "utf8" });
    const said = `${ran.stderr}${ran.stdout}`
      .split("\n")
      .filter((line) => !/^$|System call \w+ is not known/.test(line));
    expect({ name, said, status: ran.status }).toEqual({ name, said: [], status: 0 });
  }
});
