/**
 * Memory that never comes, or late: pages of a FUSE server that the test itself is (pin/fuse.c). It is mounted by the
 * confined program, or around portcullis; by root, and by an ordinary user in a user namespace.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { fuseDevice } from "../support/fuse.ts";
import { asUser, copyFor, isReachable, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { compiled, guarded } from "../support/run.ts";

const folder = reachableFolder("fuse");
const [policy, mounted, device] = ["policy.ts", "mounted", "device"].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
let program = "";

beforeAll(() => {
  program = copyFor(folder, compiled("test/live/pin/fuse.c", ["-static"]), "fuse");
  for (const name of ["allowed", "forbidden"]) writeFileSync(join(folder, name), name);
  mkdirSync(mounted);
  writeFileSync(
    policy,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "openat") return call.args.path.text.endsWith("forbidden") ? deny("EXFULL") : allow;
  return allow;
});
`,
  );
});

const needsFuse = ({ skip }: TestContext): void => fuseDevice(device, skip);

const [eperm, exfull] = [-1, -54];
const everything = {
  ...{ "late allowed": 0, "late forbidden": exfull, "both late": 0 },
  ...{ "refused meanwhile": 0, "forbidden meanwhile": exfull, late: 0, stalled: eperm, after: 0 },
  ...(process.arch === "x64" ? { meanwhile: 0, ended: 0, child: -9 } : {}),
  "after the stack": 0,
};

const resultsOf = (stdout: string) =>
  Object.fromEntries([...stdout.matchAll(/^(.+): (-?\d+)$/gm)].map(([, what, result]) => [what, Number(result)]));

describe("pages of a FUSE server that does not answer", () => {
  it("stop their own calls alone, where the confined program mounts it", (context) => {
    needsFuse(context);
    const { stdout, decisions, status } = guarded(policy, [program, "inside", device, mounted], [], { cwd: folder });
    expect({ ...resultsOf(stdout), status }).toEqual({ ...everything, status: 0 });
    const late = decisions.filter(({ reason }) => reason?.includes("does not come"));
    expect(late.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(12);
  });

  it("stop their own calls alone, where it was mounted before", (context) => {
    needsFuse(context);
    const command = [join(process.cwd(), "bin/portcullis"), "run", "-q", "--engine", "notify", "-p", policy, "--"];
    const words = ["around", device, mounted, ...command, program, "attack", mounted];
    const { stdout, status } = spawnSync(program, words, { encoding: "utf8", cwd: folder });
    expect({ ...resultsOf(stdout), status }).toEqual({ ...everything, status: 0 });
  });

  it("stop their own calls alone, where an ordinary user mounts it", (context) => {
    needsFuse(context);
    const command = [join(process.cwd(), "bin/portcullis"), "run", "-q", "--engine", "notify", "-p", policy, "--"];
    if (!isReachable(command[0]!)) context.skip("an ordinary user cannot reach the checkout");
    const [file, ...words] = asUser(ordinaryUser, ...command, program, "inside", device, mounted);
    const { stdout, stderr, status } = spawnSync(file!, words, {
      ...{ encoding: "utf8", cwd: folder },
      env: { ...process.env, HOME: folder, XDG_CACHE_HOME: join(folder, "cache") },
    });
    if (resultsOf(stdout)["unshare"] !== undefined) context.skip("user namespaces are not permitted");
    expect({ ...resultsOf(stdout), stderr, status }).toEqual({ ...everything, stderr: "", status: 0 });
  });
});
