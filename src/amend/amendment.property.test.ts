/**
 * Random answers about random refused calls: the policy compiles, allows exactly the accepted calls in addition, and gives all
 * others their former verdict.
 */
import { describe, expect, it } from "vitest";
import { runCases } from "../cases/case-run.ts";
import { readCases } from "../cases/cases.ts";
import { type Choices, chance, pick, SeededChoices } from "../ir/testing/choices.ts";
import { seeds } from "../ir/testing/seeds.ts";
import { verdictText } from "../ir/verdicts.ts";
import type { Amended } from "./amendment.ts";
import type { PhaseNames, Refusal } from "./refusal.ts";
import { rulingOn } from "./refusal.ts";
import type { Scope } from "./rules.ts";
import { compiled, refusalOf, sessionFor, settings } from "./testing/refusals.ts";

const runs = 20;
const scopes: readonly Scope[] = ["call", "arguments", "general"];

const head = 'import { allow, type Call, calls, deny, kill, perProcess, policy, type Verdict } from "portcullis";\n';
const phases = 'const phase = perProcess.phases(["starting", "serving", "ending"]';
const judge = `
const refused = deny("EPERM", "no recording has it");
function judge(call: Call): Verdict {
  if (calls("read", "write").has(call)) return allow;
  if (phase.is("starting") && calls("socket", "bind").has(call)) return allow;
  switch (call.name) {
    case "openat":
      if (call.args.flags.hasOnly("O_RDONLY", "O_CLOEXEC")) return allow;
      break;
    case "ioctl":
      return kill("process", "no device");
  }
  return refused;
}
export default policy((call) => {
  const verdict = judge(call);
  if (call.name === "listen") phase.enter("serving");
  return verdict;
});
`;
const policies = [
  `${head}${phases});${judge}`,
  `${head}${phases}, { tightening: true });${judge}`,
  `${head}export default policy((c) => {
  if (c.name === "execve") return deny("EACCES", "no program"); // never
  if (c.name === "openat" || c.name === "ioctl") return c.name === "openat" && c.args.flags.has("O_CREAT") ? deny("EROFS") : allow;
  else if (c.name === "prctl") return kill("thread");
  return calls("read", "getppid", "socket").has(c) ? allow : deny("EPERM");
});
`,
  `${head}const everyday = calls("read", "write", "mmap");
export default policy((call) => (everyday.has(call) ? allow : deny("EPERM", "unknown")));
`,
  `${head}${phases});
const everyday = calls(
  "read",
  "write", // and what it needs
);
const made = perProcess.counter();
export default policy((call) => {
  if (call.name === "openat" && everyday.has(call)) made.add();
  if (call.name === "listen") phase.enter("serving");
  if (phase.is("ending") && call.name === "mmap") return allow;
  if (everyday.has(call)) return allow;
  return deny("EPERM");
});
`,
] as const;

const someCalls = [
  ...["getppid()", "listen(3, 5)", "fsync(4)", "prctl(PR_SET_NAME, 0x1)", "prctl(PR_SET_DUMPABLE, 1)"],
  ...["openat(AT_FDCWD, 0x1, O_RDONLY)", "openat(AT_FDCWD, 0x1, O_WRONLY|O_CREAT|O_TRUNC)", "openat(3, 0x1, O_RDWR)"],
  ...["ioctl(1, TCGETS, 0x1)", "ioctl(1, TIOCSTI, 0x1)", "socket(AF_INET, SOCK_STREAM, 6)"],
  ...["socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, 0)", "execve(0x1, 0x1, 0)", "setuid(33)", "setuid(0)"],
  ...[
    "mmap(0, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0)",
    "fcntl(3, F_SETFL, 0)",
    "bind(3, 0x1, 16)",
    "read(0, 0x1, 1)",
  ],
];

interface Probe {
  readonly refusal: Refusal;
  readonly before: string;
}

function verdictOf(text: string, refusal: Refusal): string {
  const ruling = rulingOn(compiled(text).program, refusal);
  if (ruling.is === "passes") return "allow";
  if (ruling.is !== "refused") return ruling.is;
  return `${verdictText(ruling.verdict)} ${ruling.verdict.reason ?? ""}`;
}

/** Whether the change is what was accepted for this probe. */
function isAccepted({ group, scope, change }: Amended, { refusal }: Probe): boolean {
  if (group.call !== refusal.call) return false;
  const phase = refusal.phases?.["phase"];
  const test = change.is === "rule" ? change.conditions.find((one) => one.startsWith("phase.is(")) : undefined;
  if (test !== undefined && !test.includes(`"${phase}"`)) return false;
  const same = (one: Refusal) => JSON.stringify(plain(one)) === JSON.stringify(plain(refusal));
  return scope !== "arguments" || refusal.call === "openat" ? true : group.variants.some(same);
}

/** Descriptors and addresses make no rule. */
function plain({ text }: Refusal): string {
  return text.replace(/^(ioctl|fcntl|openat)\([^,]*,/, "$1(").replace(/0x1/g, "");
}

function phasesOf(text: string, choices: Choices): PhaseNames {
  return text.includes("perProcess.phases") ? { phase: pick(choices, ["starting", "serving", "ending"]) } : {};
}

describe("random answers", () => {
  for (const seed of seeds(runs)) {
    it(`give a policy with exactly the accepted calls (seed ${seed})`, () => {
      const choices = new SeededChoices(seed);
      const text = pick(choices, policies);
      const { program } = compiled(text);
      const refusals = Array.from({ length: 1 + choices.below(8) }, () =>
        refusalOf(text, pick(choices, someCalls), phasesOf(text, choices)),
      ).filter((one) => one !== undefined);
      if (refusals.length === 0) return;
      const { groups, session } = sessionFor(text, refusals);
      for (const group of groups) {
        if (chance(choices, 5)) continue;
        if (chance(choices, 5)) {
          expect(session.allows(group) ? [] : session.refuse(group, "no")).toEqual([]);
          continue;
        }
        const proposal = session.propose(group, pick(choices, scopes));
        expect(proposal, text).toMatchObject({ is: "change" });
        // It contradicts an earlier refusal for ever, or nothing does.
        if (proposal.is === "change") session.accept(proposal.amended);
      }
      const { policy, cases } = session.outcome();
      const after = compiled(policy);
      for (const { group } of session.accepted)
        for (const one of group.variants) expect(verdictOf(policy, one), policy).toBe("allow");
      for (const { group } of session.refused)
        for (const one of group.variants) expect(rulingOn(after.program, one).is, policy).toBe("refused");
      for (const written of someCalls) {
        for (const phase of text.includes("perProcess.phases") ? ["starting", "serving", "ending"] : [undefined]) {
          const given = phase === undefined ? {} : { phase };
          const refusal = refusalOf(text, written, given);
          if (refusal === undefined) continue;
          const probe = { refusal, before: verdictOf(text, refusal) };
          const now = verdictOf(policy, refusal);
          if (now === probe.before) continue;
          expect(now, policy).toBe("allow");
          expect(
            session.accepted.some((one) => isAccepted(one, probe)),
            `${written} in ${phase}: ${policy}`,
          ).toBe(true);
        }
      }
      for (const { file, text: lines } of cases.files) {
        const { cases: read, diagnostics } = readCases(lines, file, settings.architecture);
        expect(diagnostics).toEqual([]);
        expect(runCases(after.program, read!).failures).toEqual([]);
      }
      expect(program.cells.length).toBe(after.program.cells.length);
    });
  }
});
