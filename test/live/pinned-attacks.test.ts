/** A program that attacks the supervisor of its own pinned calls (pin/attack.c): no forbidden call passes, each run ends. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
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

const attack = (name: string, ...options: readonly string[]) => attackUnder(policy, name, ...options);

function attackUnder(rules: string, name: string, ...options: readonly string[]) {
  const ran = guarded(rules, [program, name], options, { cwd: folder });
  const results = Object.fromEntries(
    [...ran.stdout.matchAll(/^(.+): (-?\d+)$/gm)].map(([, what, result]) => [what, Number(result)]),
  );
  return { ...ran, results };
}

/** An attack by memory that arrives late, under this policy. */
function lateAttack({ skip }: TestContext, name: string, source: string) {
  const rules = join(folder, `${name}.ts`);
  writeFileSync(rules, source);
  const ran = attackUnder(rules, name);
  if (ran.results["userfaultfd"] !== undefined) skip("userfaultfd(2) is not permitted");
  return ran;
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
    // Repeated events are one, with their count.
    expect(stalled.reduce((sum, { count }) => sum + (count ?? 1), 0)).toBe(12);
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
    const { "sent in the race": inTheRace, ...others } = race('deny("EXFULL")');
    expect(others).toEqual({
      ...{ without: 0, with: exfull, arrived: 0, "one byte": exfull, many: -38, "arrived by many": 0 },
      "arrived in the race": 0,
    });
    // A caller that gets no processor time cannot be pinned.
    expect([0, eperm]).toContain(inTheRace);
    // The race can be won: descriptors arrive where the policy does not mind.
    expect(race("allow")["arrived in the race"]).toBeLessThan(0);
  });

  describe("that holds a judged call in a signal handler cannot make it if it is forbidden by now, because of", () => {
    const flag = ["const isOver = perTree.flag();", "isOver.set(call.args.pid === 1n);", "isOver.get()"] as const;
    const since = ["const begun = perTree.value(0n);", "begun.set(now());"] as const;
    const late = 'now() >= begun.get() && now() - begun.get() > duration("200ms")';
    it.for<readonly [string, string, string, string]>([
      ["another thread's call", ...flag],
      ["its own call", ...flag],
      ["its own user", "", "", "call.caller.uid === 1n"],
      ["time", ...since, late],
      ["a birth", "", "", "tree.alive() > 1n"],
    ])("%s", ([change, state, atGetpgid, isForbidden], context) => {
      if (change === "its own user" && process.getuid?.() !== 0) context.skip("needs root, to change the user");
      const changing = join(folder, "changing.ts");
      writeFileSync(
        changing,
        `import { allow, deny, duration, now, perTree, policy, tree } from "portcullis";
${state}
export default policy((call) => {
  if (call.name === "getpgid") {
    ${atGetpgid}
    return allow;
  }
  return call.name === "fchmodat" && call.args.path.text.is("allowed") && ${isForbidden} ? deny("EXFULL") : allow;
});
`,
      );
      const { stdout, stderr } = guarded(changing, [program, "hold", change], ["--no-denial-events"], { cwd: folder });
      expect({ stdout, stderr }).toEqual({ stdout: "passed: 0\n", stderr: "" });
    });
  });

  it("whose fork is stuck delays only calls that count living processes, and these once", (context) => {
    const { results, status } = lateAttack(
      context,
      "stuck-fork",
      `import { allow, calls, deny, perTree, policy, tree } from "portcullis";
const isOver = perTree.flag();
const makes = calls("clone", "fork", "vfork");
export default policy((call) => {
  if (call.name === "clone" && call.args.flags.has("CLONE_THREAD")) return allow;
  if (call.name === "getsid") isOver.set(true);
  if (call.name === "getpgid") return isOver.get() ? deny("EXFULL") : allow;
  return makes.has(call) && tree.alive() > 5n ? deny("EXFULL") : allow;
});
`,
    );
    expect({ results, status }).toEqual({ results: { late: 0, forked: 0, "late again": 0, after: 0 }, status: 0 });
  });

  it("whose two late arguments come at the same moment has its object opened once", (context) => {
    const { results, decisions, stderr, status } = lateAttack(
      context,
      "late-arguments",
      `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name !== "openat2") return allow;
  const { path, how } = call.args;
  return how.flags.has("O_PATH") || path.resolved.under("/proc") ? deny("EXFULL") : allow;
});
`,
    );
    expect({ results, decisions, stderr, status }).toEqual({
      ...{ results: { late: 0, after: 0 }, decisions: [], stderr: "", status: 0 },
    });
  });

  it("whose fork is stuck delays no other call for ever, however that call has reached the supervisor", (context) => {
    const { results, stderr, status } = lateAttack(
      context,
      "beside-stuck-fork",
      `import { allow, calls, deny, perTree, policy, tree } from "portcullis";
const isOver = perTree.flag();
const makes = calls("clone", "fork", "vfork");
export default policy((call) => {
  if (call.name === "getsid") isOver.set(true);
  if (call.name === "getpgid") return isOver.get() ? deny("EXFULL") : allow;
  if (call.name === "openat") return call.args.path.resolved.under("/proc") ? deny("EXFULL") : allow;
  if (call.name === "fchmodat") return call.args.path.text.is("forbidden") ? deny("EXFULL") : allow;
  return makes.has(call) && tree.alive() > 30n ? deny("EXFULL") : allow;
});
`,
    );
    expect({ results, stderr, status }).toEqual({ results: { opened: 0, called: 0 }, stderr: "", status: 0 });
  });

  it("that makes processes by clone3 at the same moment does not exceed a limit of living ones", () => {
    const limited = join(folder, "limited.ts");
    writeFileSync(
      limited,
      `import { allow, deny, policy, tree } from "portcullis";
export default policy((call) => {
  if (call.name !== "clone3" || call.args.uargs.flags.has("CLONE_THREAD")) return allow;
  return tree.alive() < 5n ? allow : deny("EXFULL");
});
`,
    );
    expect(attackUnder(limited, "crowd").results).toEqual({ most: -4 });
  });

  it("whose stack cannot be written to the end stays stopped, and can be killed", (context) => {
    const { results, status } = attack("block-stack");
    if (results["userfaultfd"] !== undefined) context.skip("userfaultfd(2) is not permitted");
    if (process.arch !== "x64") context.skip("the attack is written for x86-64");
    expect(results).toEqual({ meanwhile: 0, ended: 0, child: -9, after: 0 });
    expect(status).toBe(0);
  });
});
