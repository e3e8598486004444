/**
 * The patterns of exploits on a kernel with the bugs put back (kernel/vulnerable): each wins without a policy, not with the
 * policy against it, and not on the stock kernel; and the legitimate program works under the policy. As the user nobody.
 */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";
import { type Command, eachInMachine, full, type Kernel, type Outcome, unable } from "./vm.ts";
import { programOf, type Vulnerability, vulnerabilities } from "./vulnerabilities/vulnerabilities.ts";

const folder = resolve("build/test/vulnerabilities");
const engines = ["seccomp-ebpf", "notify"] as const;
type Engine = (typeof engines)[number];

/** Rounds under the policy. `npm run bench -- vulnerabilities` has a hundred times as many as the pattern needs. */
const confinedRounds = ({ rounds }: Vulnerability): number => (full ? 20 : 2) * Math.min(rounds, 1_000) + 2;

const bundleOf = (name: string): string => `${folder}/${name}.pcl`;

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
const unconfined = (one: Vulnerability) => nobody([programOf(one.name), "pattern", `${one.rounds}`]);
const confined = (one: Vulnerability, engine: Engine) =>
  nobody([...under[engine](one.name), programOf(one.name), "pattern", `${confinedRounds(one)}`]);
const legitimate = (one: Vulnerability, engine: Engine) =>
  nobody([...under[engine](one.name), programOf(one.name), "legitimate", "3"]);

interface Expected {
  readonly title: string;
  readonly command: Command;
  check(outcome: Outcome): void;
}

const result = (outcome: Outcome): { readonly rounds: number; readonly wins: number } => {
  expect(outcome, outcome.stderr).toMatchObject({ status: 0, signal: null });
  return JSON.parse(outcome.stdout);
};

const onVulnerable = (one: Vulnerability): Expected[] => [
  {
    title: `${one.name}: the pattern wins without a policy`,
    command: unconfined(one),
    check: (outcome) => expect(result(outcome).wins).toBe(1),
  },
  ...engines.flatMap((engine): Expected[] => [
    {
      title: `${one.name}: the pattern does not win under ${engine}`,
      command: confined(one, engine),
      check: (outcome) => expect(result(outcome)).toEqual({ rounds: confinedRounds(one), wins: 0 }),
    },
    // Node takes seconds to start in the machine, and the benchmark also has these.
    ...(engine === "notify" && !full
      ? []
      : [
          {
            title: `${one.name}: the legitimate program works under ${engine}`,
            command: legitimate(one, engine),
            check: (outcome: Outcome) => expect(result(outcome)).toMatchObject({ rounds: 3 }),
          },
        ]),
  ]),
];

/** A control: what the patterns win by is the bugs. */
const onStock = (one: Vulnerability): Expected[] => [
  {
    title: `${one.name}: the pattern ${one.anyKernel ? "wins on the stock kernel, too" : "does not win on the stock kernel"}`,
    command: unconfined(one),
    check: (outcome) => expect(result(outcome).wins).toBe(one.anyKernel ? 1 : 0),
  },
];

/** One machine for all. */
function inOneMachine(kernel: Kernel, all: readonly Expected[]): void {
  let outcomes: readonly Outcome[] = [];
  const reason = unable(kernel);

  beforeAll(async () => {
    if (reason !== undefined) return;
    for (const { name } of vulnerabilities) bundle(name);
    outcomes = await eachInMachine(
      { kernel },
      all.map(({ command }) => command),
    );
  }, patience.machineTest);
  for (const [index, { title, check }] of all.entries()) {
    it(title, (context) => {
      if (reason !== undefined) context.skip(reason);
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

describe("on the stock kernel", () => {
  const unmarked: Expected = {
    title: "there is no /proc/vulnerable",
    command: nobody(["test", "-e", "/proc/vulnerable"]),
    check: (outcome) => expect(outcome).toMatchObject({ status: 1 }),
  };
  inOneMachine("stock", [...vulnerabilities.flatMap(onStock), unmarked]);
});
