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
  // Lists that decide about several calls, in some phases, by another test, and with other arguments.
  `${head.replace("calls,", "calls, cidr,").replace("perProcess", "parameter, perProcess")}${phases});
const below = parameter.paths("below", { default: ["/usr"] });
const exactly = parameter.texts("exactly", {
  default: [
    "/etc/passwd", // names
  ],
});
const hosts = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8"] }));
const ports = [80n, 443n];
const users = [33n] as const;
const opens = calls("open", "openat");
export default policy((call) => {
  if (call.name === "listen") phase.enter("serving");
  if (opens.has(call)) {
    const { text } = call.args.path;
    if (text.under(...below) && !text.matches("**/..", "**/../**")) return allow;
    if (call.args.flags.hasOnly("O_CLOEXEC") && text.is(...exactly)) return allow;
    return deny("EACCES", "not listed");
  }
  if (call.name === "unlink")
    return !phase.is("serving") && call.args.path.text.is(...exactly) ? allow : deny("EROFS");
  if (call.name === "rmdir") return phase.is("starting") && call.args.path.text.under(...below) ? allow : deny("EBUSY");
  if (call.name === "connect" && call.args.addr.kind === "ip")
    return hosts.has(call.args.addr.address) && ports.includes(call.args.addr.port) ? allow : deny("ENETUNREACH");
  return call.name === "setuid" && !users.includes(call.args.uid) ? deny("EPERM", "another user") : allow;
});
`,
] as const;

// Two of them are directories (`settings`).
const paths = ["/srv", "/srv/a", "/srv/ab", "/srv/a.d", "/srv/a.d/b", "/srv/../etc/x", "/etc/passwd"];
const listedCalls = [
  ...paths.flatMap((path) => [
    ...["O_RDONLY", "O_RDWR|O_CREAT"].map((flags) => `openat(AT_FDCWD, "${path}", ${flags})`),
    ...[`open("${path}", O_RDONLY)`, `unlink("${path}")`, `rmdir("${path}")`],
  ]),
  ...["10.0.0.1:80", "10.0.0.1:22", "127.0.0.1:22"].map((to) => `connect(3, ${to}, 16)`),
  "connect(3, [fd00::1]:443, 28)",
  ...["setuid(0)", "setuid(7)"],
];

const otherCalls = [
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

/** Without lists a policy reads no memory here. No rule allows a call in a phase that the call itself has ended before. */
function callsOf(text: string): readonly string[] {
  if (text.includes("below")) return [...listedCalls, ...otherCalls];
  return text.includes("made.add") ? otherCalls.filter((one) => !one.startsWith("listen")) : otherCalls;
}

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
  if (change.is === "items") return isListed(group.call, change.items, refusal);
  if (group.call !== refusal.call) return false;
  const phase = refusal.phases?.["phase"];
  const test = change.is === "rule" ? change.conditions.find((one) => one.startsWith("phase.is(")) : undefined;
  if (test !== undefined && !test.includes(`"${phase}"`)) return false;
  const same = (one: Refusal) => JSON.stringify(plain(one)) === JSON.stringify(plain(refusal));
  const isRead = refusal.text.includes('"');
  return scope !== "arguments" || (refusal.call === "openat" && !isRead) ? true : group.variants.some(same);
}

/** Whether the call has one of the items, as the policy with lists asks about them: in all phases. */
function isListed(listed: string, items: readonly string[], { call, text }: Refusal): boolean {
  const isSame = call === listed || (opens.has(call!) && opens.has(listed));
  const [path, address, port, user] = /"([^"]*)"|connect\(3, (.*):(\d+), |setuid\((\d+)\)/.exec(text)?.slice(1) ?? [];
  return (
    isSame &&
    items.some((item) => {
      const value = item.startsWith('"') ? (JSON.parse(item) as string) : item.slice(0, -1);
      if (path !== undefined) return path === value;
      return [address?.replace(/[[\]]/g, ""), port, user].includes(value);
    })
  );
}

const opens = new Set(["open", "openat"]);

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
        refusalOf(text, pick(choices, callsOf(text)), phasesOf(text, choices)),
      ).filter((one) => one !== undefined);
      if (refusals.length === 0) return;
      const { groups, session } = sessionFor(text, refusals);
      for (const group of groups) {
        if (chance(choices, 5)) continue;
        if (chance(choices, 5)) {
          expect(session.allows(group) ? [] : session.refuse(group, "no")).toEqual([]);
          continue;
        }
        // An accepted rule of an earlier phase holds here, too, or an item of a list does.
        if (session.allows(group)) continue;
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
      for (const written of callsOf(text)) {
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
