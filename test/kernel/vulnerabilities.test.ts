/**
 * The patterns of exploits on a kernel with the bugs put back (kernel/vulnerable): each wins without a policy, not with the
 * policy against it, and not on the stock kernel; and the legitimate program works under the policy. As the user nobody.
 */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";
import { type Command, eachInMachine, full, type Kernel, type Outcome, unable } from "./vm.ts";
import { lacksRooms, programOf, type Vulnerability, vulnerabilities } from "./vulnerabilities/vulnerabilities.ts";

const folder = resolve("build/test/vulnerabilities");
const engines = ["seccomp-ebpf", "notify"] as const;
type Engine = (typeof engines)[number];

/** Whether each pattern also runs under each engine, with more rounds. */
const all = full || runs("exploits");

/** Rounds under the policy. In the machine a race wins within 300 without one, mostly within ten. `npm run bench -- vulnerabilities` has a hundred times as many as the pattern needs. */
const confinedRounds = ({ rounds, rule }: Vulnerability, engine: Engine): number => {
  // A wait for a room lasts until the supervisor sees that a call has ended, or too long, where the machine is slow.
  const most = rule === "serialisation" && engine === "notify" ? 10 : all || rule !== "serialisation" ? 1_000 : 200;
  return (full ? 20 : 2) * Math.min(rounds, most) + 2;
};

const bundleOf = (name: string): string => `${folder}/${name}.pcl`;

/** Throws if the policy does not compile; one with rooms that the kernel lacks does. */
function bundle(name: string): void {
  mkdirSync(folder, { recursive: true });
  const ran = portcullis(["compile", "--target", "unprivileged", "-p", `against/${name}`, "-o", bundleOf(name)]);
  if (ran.status !== 0) throw new Error(ran.stderr);
}

/** The bundle starts without Node, which takes seconds in the machine. */
const under: Readonly<Record<Engine, (name: string) => readonly string[]>> = {
  "seccomp-ebpf": (name) => [resolve(`dist/native/${process.arch}/launcher`), "run", bundleOf(name)],
  notify: (name) => [resolve("bin/portcullis"), "run", "-q", "--engine", "notify", "-p", `against/${name}`, "--"],
};

const nobody = (words: readonly string[]): Command => ({ words, uid: 65_534 });
const unconfined = (one: Vulnerability, most = one.rounds) =>
  nobody([programOf(one.name), "pattern", `${Math.min(one.rounds, most)}`]);
const confined = (one: Vulnerability, engine: Engine) =>
  nobody([...under[engine](one.name), programOf(one.name), "pattern", `${confinedRounds(one, engine)}`]);
const legitimate = (one: Vulnerability, engine: Engine) =>
  nobody([...under[engine](one.name), programOf(one.name), "legitimate", "3"]);

interface Expected {
  readonly title: string;
  readonly command: Command;
  check(outcome: Outcome): void;
  /** Why there is nothing to check. */
  cannot?(outcome: Outcome): string | undefined;
}

const result = (outcome: Outcome): { readonly rounds: number; readonly wins: number } => {
  expect(outcome, outcome.stderr).toMatchObject({ status: 0, signal: null });
  return JSON.parse(outcome.stdout);
};

/** Why an engine did not start the program: it has no rooms. */
const withoutRooms = ({ stderr }: Outcome): string | undefined =>
  lacksRooms(stderr) ? stderr.split("\n")[0] : undefined;

/** A rule without rooms is a matter of verdicts, which the replay compares; Node takes seconds to start in the machine. */
const enginesFor = ({ rule }: Vulnerability): readonly Engine[] =>
  all || rule === "serialisation" ? engines : ["seccomp-ebpf"];

const onVulnerable = (one: Vulnerability): Expected[] => [
  {
    title: `${one.name}: the pattern wins without a policy`,
    command: unconfined(one),
    check: (outcome) => expect(result(outcome).wins).toBe(1),
  },
  ...enginesFor(one).flatMap((engine): Expected[] => [
    {
      title: `${one.name}: the pattern does not win under ${engine}`,
      command: confined(one, engine),
      cannot: withoutRooms,
      check: (outcome) => expect(result(outcome)).toEqual({ rounds: confinedRounds(one, engine), wins: 0 }),
    },
    // Node takes seconds to start in the machine, and the benchmark also has these.
    ...(engine === "notify" && !full
      ? []
      : [
          {
            title: `${one.name}: the legitimate program works under ${engine}`,
            command: legitimate(one, engine),
            cannot: withoutRooms,
            check: (outcome: Outcome) => expect(result(outcome)).toMatchObject({ rounds: 3 }),
          },
        ]),
  ]),
];

/** A control: what the patterns win by is the bugs. */
const onStock = (one: Vulnerability): Expected[] => [
  {
    title: `${one.name}: the pattern ${one.anyKernel ? "wins on the stock kernel, too" : "does not win on the stock kernel"}`,
    command: unconfined(one, 2_000),
    check: (outcome) => expect(result(outcome).wins).toBe(one.anyKernel ? 1 : 0),
  },
];

/** One machine for all. */
function inOneMachine(kernel: Kernel, expected: readonly Expected[]): void {
  let outcomes: readonly Outcome[] = [];
  const reason = unable(kernel);

  beforeAll(async () => {
    if (reason !== undefined) return;
    for (const { name } of vulnerabilities) bundle(name);
    outcomes = await eachInMachine(
      { kernel },
      expected.map(({ command }) => command),
    );
  }, patience.machineTest);
  for (const [index, { title, check, cannot }] of expected.entries()) {
    it(title, (context) => {
      if (reason !== undefined) context.skip(reason);
      const why = cannot?.(outcomes[index]!);
      if (why !== undefined) context.skip(why);
      check(outcomes[index]!);
    });
  }
}

describe("on the vulnerable kernel", () => {
  const marker: Expected = {
    title: "/proc/vulnerable says which bugs have done harm",
    command: nobody(["cat", "/proc/vulnerable"]),
    check: ({ stdout }) => expect(stdout).toMatch(/^CVE-2017-5123 1$/m),
  };
  inOneMachine("vulnerable", [...vulnerabilities.flatMap(onVulnerable), marker]);
});

// The programs against the bugs alone: no policy takes part.
if (all)
  describe("on the stock kernel", () => {
    const unmarked: Expected = {
      title: "there is no /proc/vulnerable",
      command: nobody(["test", "-e", "/proc/vulnerable"]),
      check: (outcome) => expect(outcome).toMatchObject({ status: 1 }),
    };
    inOneMachine("stock", [...vulnerabilities.flatMap(onStock), unmarked]);
  });
