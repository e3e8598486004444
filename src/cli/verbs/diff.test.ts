/** Tests `portcullis diff`: its output, its exit status, recorded calls, and what it cannot compare. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folderOf, portcullis } from "../../../test/cli/harness.ts";

const policy = (trigger: string, verdict: string) => `import { allow, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "running"]);
export default policy((call) => {
  if (call.name === "${trigger}") phase.enter("running");
  return call.name === "bind" && phase.is("running") ? ${verdict} : allow;
});
`;
const line = (name: string) => `{"v":1,"kind":"call","tid":7,"call":"${name}"}\n`;
const folder = () =>
  folderOf({
    "a.ts": policy("listen", 'deny("EPERM")'),
    "b.ts": policy("listen", 'deny("EACCES")'),
    "c.ts": policy("accept4", 'deny("EPERM")'),
    "broken.ts": "export default 3;",
    "t.jsonl": line("bind") + line("listen") + line("bind") + line("bind"),
    "broken.jsonl": "nonsense\n",
  });

describe("portcullis diff", () => {
  it("finds no difference between a policy and itself", async () => {
    const at = folder();
    const same = await portcullis("diff", join(at, "a.ts"), join(at, "a.ts"), join(at, "t.jsonl"));
    expect(same).toEqual({
      status: 0,
      out: expect.stringMatching(/^\S+t\.jsonl: the same verdict on all of 4 calls\n$/),
      err: "",
    });
    expect(await portcullis("diff", join(at, "a.ts"), join(at, "a.ts"))).toEqual({ status: 0, out: "", err: "" });
  });

  it("finds calls in their phases, and recorded calls", async () => {
    const at = folder();
    const { status, out } = await portcullis("diff", join(at, "a.ts"), join(at, "b.ts"), join(at, "t.jsonl"));
    expect(status).toBe(1);
    expect(out).toMatch(
      /^bind \(phase running\): deny EPERM → deny EACCES\n.*t\.jsonl: other verdicts on 2 of 4 calls\n {2}2 × bind\(\?, \?, \?\): deny EPERM → deny EACCES \(phase running\), first at .*t\.jsonl:3\n$/,
    );
    const json = await portcullis("diff", "--json", join(at, "a.ts"), join(at, "b.ts"), join(at, "t.jsonl"));
    expect(JSON.parse(json.out)).toMatchObject({
      v: 1,
      calls: [
        { calls: ["bind"], phases: ["phase running"], changes: [{ before: ["deny EPERM"], after: ["deny EACCES"] }] },
      ],
      recorded: [{ judged: 4, list: [{ call: "bind", count: 2 }] }],
    });
    expect(await portcullis("diff", "-q", join(at, "a.ts"), join(at, "b.ts"))).toEqual({ status: 1, out: "", err: "" });
  });

  it("finds another trigger, although no call differs within a phase", async () => {
    const at = folder();
    const { status, out } = await portcullis("diff", join(at, "a.ts"), join(at, "c.ts"), join(at, "t.jsonl"));
    expect(status).toBe(1);
    expect(out).toContain("changes of phase\n  before: listen\n  after:  accept4\n");
    expect(out).toContain("2 × bind(?, ?, ?): deny EPERM → allow (phase running → phase starting)");
  });

  it("exits with 125 where it cannot compare, as the other verbs do", async () => {
    const at = folder();
    const a = join(at, "a.ts");
    for (const words of [
      [a, join(at, "broken.ts")],
      [a, join(at, "missing.ts")],
      [a, a, join(at, "broken.jsonl")],
    ]) {
      const { status, out, err } = await portcullis("diff", ...words);
      expect({ status, out }).toEqual({ status: 125, out: "" });
      expect(err).toContain("error P0");
    }
    expect((await portcullis("diff", a)).status).toBe(125);
  });
});
