/** A program that attacks the supervisor of its own pinned calls (pin/attack.c): no forbidden call passes, each run ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compiled, guarded } from "../support/run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-attacks-"));
const policy = join(folder, "policy.ts");
let program = "";

beforeAll(() => {
  program = compiled("test/live/pin/attack.c", ["-static"]);
  for (const name of ["allowed", "forbidden"]) writeFileSync(join(folder, name), name);
  writeFileSync(
    policy,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "openat") return call.args.path.text.endsWith("forbidden") ? deny("EXFULL") : allow;
  if (call.name === "getpgid") return deny("EXFULL");
  return allow;
});
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function attack(name: string, ...options: readonly string[]) {
  const ran = guarded(policy, [program, name], options, { cwd: folder });
  const results = Object.fromEntries(
    [...ran.stdout.matchAll(/^(.+): (-?\d+)$/gm)].map(([, what, result]) => [what, Number(result)]),
  );
  return { ...ran, results };
}

const [eperm, efault, exfull] = [-1, -14, -54];

describe("a hostile caller", () => {
  it("that itself jumps to the stub does not evade judgement", () => {
    const { results, status } = attack("stub");
    expect(results).toEqual({
      ...{ first: 0, allowed: 0, forbidden: exfull, window: 0, unpinned: 0, denied: exfull, after: 0 },
    });
    expect(status).toBe(0);
  });

  it("whose file is truncated below its path gets EFAULT", () => {
    expect(attack("truncated").results).toEqual({ whole: 0, truncated: efault, after: 0 });
  });

  it("that fills its window is refused until there is room again", () => {
    const { results, decisions, status } = attack("fill");
    expect(results).toEqual({ refused: eperm, child: 0, served: 0, after: 0 });
    expect(decisions[0]!.reason).toContain("too many calls of this address space are under way");
    expect(status).toBe(0);
  });

  it("that takes the supervisor's descriptors opens nothing forbidden", () => {
    const { results } = attack("limit");
    expect(results["prlimit"]).toBeUndefined();
    expect(results["first"]).toBe(0);
    expect(results["forbidden"]).toBeLessThan(0);
    expect([undefined, exfull, eperm]).toContain(results["child's forbidden"]);
  });

  it("that maps its own file in place of the stub does not continue with it", () => {
    const strict = join(folder, "strict.ts");
    const rule = `if (call.name === "mmap" && call.args.flags.has("MAP_SHARED")) return deny("EXFULL");`;
    writeFileSync(strict, readFileSync(policy, "utf8").replace(`if (call.name === "getpgid")`, `${rule}\n  $&`));
    for (let attempt = 0; attempt < 10; attempt++) {
      const { stdout, status } = guarded(strict, [program, "replace"], [], { cwd: folder });
      // The other thread wins nearly always.
      expect([
        { stdout: "", status: 137 },
        { stdout: "own: 0\n", status: 0 },
      ]).toContainEqual({ stdout, status });
    }
  });

  it("whose memory cannot be read to the end is refused after a while, and no other caller waits for it", (context) => {
    const { results, decisions, status } = attack("block");
    if (results["userfaultfd"] !== undefined) context.skip("userfaultfd(2) is not permitted");
    expect(results).toEqual({
      ...{ "refused meanwhile": 0, "forbidden meanwhile": exfull, late: 0, stalled: eperm, after: 0 },
    });
    const stalled = decisions.filter(({ reason }) => reason?.includes("does not come"));
    expect(stalled).toHaveLength(12);
    expect(status).toBe(0);
  });

  it("passes no descriptor by a message with a changing length", () => {
    const rules = join(folder, "control.ts");
    const sent = (verdict: string) => `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name === "sendmmsg") return deny("ENOSYS");
  return call.name === "sendmsg" && call.args.msg.controllen !== 0n ? ${verdict} : allow;
});
`;
    const race = (verdict: string) => {
      writeFileSync(rules, sent(verdict));
      const { stdout } = guarded(rules, [program, "control", "2000"], ["--no-denial-events"], { cwd: folder });
      return Object.fromEntries(
        [...stdout.matchAll(/^(.+): (-?\d+)$/gm)].map(([, what, found]) => [what, Number(found)]),
      );
    };
    expect(race('deny("EXFULL")')).toEqual({
      ...{ without: 0, with: exfull, arrived: 0, "one byte": exfull, many: -38, "arrived by many": 0 },
      ...{ "sent in the race": 0, "arrived in the race": 0 },
    });
    // The race can be won: descriptors arrive where the policy does not mind.
    expect(race("allow")["arrived in the race"]).toBeLessThan(0);
  });

  it("that holds a judged call in a signal handler cannot make it once the state forbids it", () => {
    const stateful = join(folder, "stateful.ts");
    writeFileSync(
      stateful,
      `import { allow, deny, perTree, policy } from "portcullis";
const isOver = perTree.flag();
export default policy((call) => {
  if (call.name === "getpgid") {
    isOver.set(call.args.pid === 1n);
    return allow;
  }
  return call.name === "openat" && call.args.path.text.is("allowed") && isOver.get() ? deny("EXFULL") : allow;
});
`,
    );
    const { stdout } = guarded(stateful, [program, "hold"], ["--no-denial-events"], { cwd: folder });
    expect(stdout).toBe("after another thread's call: 0\nafter its own call: 0\n");
  });

  it("whose stack cannot be written to the end stays stopped, and can be killed", (context) => {
    const { results, status } = attack("block-stack");
    if (results["userfaultfd"] !== undefined) context.skip("userfaultfd(2) is not permitted");
    if (process.arch !== "x64") context.skip("the attack is written for x86-64");
    expect(results).toEqual({ meanwhile: 0, ended: 0, child: -9, after: 0 });
    expect(status).toBe(0);
  });
});
