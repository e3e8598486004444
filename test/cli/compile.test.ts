import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeBundle } from "../../src/bundle/read.ts";
import { folderOf, portcullis } from "./harness.ts";

const policy = `import { allow, deny, parameter, perTree, policy } from "portcullis";
const most = parameter.integer("most", { default: 16n });
const opened = perTree.counter();
export default policy((call) => {
  if (call.name === "socket") return opened.add(1n) > most ? deny("EMFILE", "enough") : allow;
  return call.name === "ptrace" ? deny("EPERM") : allow;
});
`;

test("compile: a bundle, with parameters, the same each time", async () => {
  const folder = folderOf({ "p.ts": policy });
  const [source, output] = [join(folder, "p.ts"), join(folder, "p.pcl")];
  const { status, out, err } = await portcullis("compile", "-p", source, "-o", output, "--set", "most=3");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(out).toMatch(/p\.pcl: \d+ instructions for seccomp, \d maps, 1 state object; sha256 [0-9a-f]{64}\n$/);
  const bytes = readFileSync(output);
  const bundle = decodeBundle(bytes);
  expect(bundle).toMatchObject({ name: "p", target: "seccomp", parameters: [["most", "3"]], classicIsAll: false });
  expect(bundle.compiler).toMatch(/^portcullis \d+\.\d+\.\d+$/);
  expect(bundle.verdicts).toContainEqual(
    expect.objectContaining({ action: "deny", errno: 24, reason: "enough", at: expect.objectContaining({ line: 5 }) }),
  );
  expect((await portcullis("compile", source, "-o", output, "-s", "most=3")).status).toBe(0);
  expect(readFileSync(output)).toEqual(bytes);

  const other = await portcullis("compile", source, "-o", output, "--json", "--no-denial-events");
  const told: unknown = JSON.parse(other.out);
  expect(told).toMatchObject({ v: 1, kind: "compiled", format: "pcl", target: "seccomp", states: 1 });
  expect(told).not.toMatchObject({ digest: out.slice(-65, -1) });
});

test("compile: a policy without state is all in the classic program", async () => {
  const output = join(folderOf({}), "p.pcl");
  const stateless = folderOf({ "q.ts": policy.replace("opened.add(1n) > most", "call.raw.arg0 > most") });
  const { out } = await portcullis("compile", join(stateless, "q.ts"), "-o", output);
  expect(out).toContain(", the classic program is all of the policy; sha256");
  expect(decodeBundle(readFileSync(output)).classicIsAll).toBe(true);
});

test("compile: an object file, for each target, and for the other architecture", async () => {
  const folder = folderOf({ "p.ts": policy });
  for (const target of ["seccomp", "unprivileged", "trial"]) {
    const output = join(folder, `${target}.bpf.o`);
    const { status, err } = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--target", target);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(readFileSync(output).subarray(0, 4)).toEqual(Buffer.from("\x7fELF"));
  }
  const output = join(folder, "a.pcl");
  const arm = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--architecture", "aarch64");
  expect(arm.status).toBe(0);
  expect(decodeBundle(readFileSync(output)).architecture).toBe("aarch64");
});

test("compile: this kernel's verifier is asked, and its log kept", async (context) => {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
  const folder = folderOf({ "p.ts": policy });
  const [source, output, log] = ["p.ts", "p.o", "log"].map((name) => join(folder, name)) as [string, string, string];
  const argv = ["compile", source, "-o", output, "--target", "trial", "--verify", "--verifier-log", log];
  const { status, err } = await portcullis(...argv);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(readFileSync(log, "utf8")).toContain('if (call.name === "socket") return opened.add(1n) > most');

  const seccomp = await portcullis("compile", source, "-o", join(folder, "q.pcl"), "--verify");
  if (seccomp.status === 0) return;
  // A kernel without the program type. What was not verified is not written.
  expect(seccomp.err).toContain("error P0607");
  expect(existsSync(join(folder, "q.pcl"))).toBe(false);
});

test("compile: what a target cannot express names the target", async () => {
  const rules = Array.from(
    { length: 1500 },
    (_, index) =>
      `  if (call.name === "socket" && call.raw.arg0 === ${7 * index}n && opened.get() > ${index}n) return deny("EPERM");`,
  );
  const folder = folderOf({
    "p.ts": policy.replace('  if (call.name === "socket")', `${rules.join("\n")}\n  if (call.name === "socket")`),
  });
  const output = join(folder, "p.pcl");
  const { status, err } = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--target", "unprivileged");
  expect(status).toBe(125);
  expect(err).toMatch(/error P0606: the target unprivileged cannot express the policy: it takes \d+ instructions/);
  expect(existsSync(output)).toBe(false);
});

test("disasm: for a target, and a bundle", async () => {
  const folder = folderOf({ "p.ts": policy });
  const source = join(folder, "p.ts");
  const listed = await portcullis("disasm", "--target", "seccomp", source);
  expect(listed.status).toBe(0);
  expect(listed.out).toContain("; what needs no state\n");
  expect(listed.out).toContain("; socket\n");
  expect(listed.out).toMatch(/^ *\d+: .+ ; .*p\.ts:5:\d+$/m);
  expect(listed.out).toContain("call bpf_seccomp_state");

  const output = join(folder, "p.pcl");
  await portcullis("compile", source, "-o", output);
  const bundle = await portcullis("disasm", output);
  expect({ status: bundle.status, err: bundle.err }).toEqual({ status: 0, err: "" });
  expect(bundle.out).toMatch(/^; p for seccomp on x86_64, by portcullis /);
  expect(bundle.out).toContain("; map[0] launch: array of 1 × ");
  expect(bundle.out).toMatch(/; state\[0\] tree: \d+ bytes for each process; a child's is the same/);
  const instructions = (text: string) => text.split("\n").filter((line) => !line.startsWith(";"));
  expect(instructions(bundle.out)).toEqual(instructions(listed.out));
});

test.each([
  [["compile", "exec-once"], "-o FILE.pcl or -o FILE.o"],
  [["compile", "-o", "x.pcl"], "-p POLICY"],
  [["compile", "exec-once", "-o", "x"], "--format pcl or --format object"],
  [["compile", "exec-once", "-o", "x", "--format", "elf"], "--format pcl or --format object"],
  [["compile", "exec-once", "-o", "x.pcl", "--target", "secomp"], "write --target seccomp"],
  [["compile", "exec-once", "-o", "x.pcl", "--target", "xdp"], "seccomp, unprivileged, trial"],
  [["compile", "exec-once", "-o", "/nowhere/x.pcl"], "cannot be written"],
  [["compile", "exec-once", "-o", "x.pcl", "--verifier-log", "y"], "add --verify"],
  [["compile", "exec-once", "more", "-o", "x.pcl"], '"more"'],
  [["disasm", "--target", "seccomp", "--pure", "exec-once"], "--pure"],
  [["disasm", "--target", "tria", "exec-once"], "write --target trial"],
  [["disasm", "package.json.pcl"], "P0901"],
])("%j ends with 125 and the way out", async (argv, expected) => {
  const { status, out, err } = await portcullis(...argv);
  expect({ status, out }).toEqual({ status: 125, out: "" });
  expect(err).toContain(expected);
  expect(existsSync("x.pcl") || existsSync("x")).toBe(false);
});

test("disasm of what is no bundle says so", async () => {
  const folder = folderOf({ "a.pcl": "no bundle", "b.pcl": new Uint8Array(), "c.pcl": new Uint8Array(5000) });
  for (const name of ["a.pcl", "b.pcl", "c.pcl"]) {
    const { status, err } = await portcullis("disasm", join(folder, name));
    expect(status).toBe(125);
    expect(err).toContain("error P0912");
  }
});
