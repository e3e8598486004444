/**
 * Measures the policies of policies/against in the virtual machine, on the kernel with the bugs put back: the rounds until
 * the pattern wins without a policy; the wins in a hundred times as many rounds under the policy; and what the legitimate
 * program pays, in instructions. Writes the table of docs/vulnerabilities.md, except with --smoke.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, eachInMachine, type MachineOptions } from "../test/kernel/vm.ts";
import { programOf, type Vulnerability, vulnerabilities } from "../test/kernel/vulnerabilities/vulnerabilities.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { median, print } from "./support/pairs.ts";

const bench = "vulnerabilities";
const document = "docs/vulnerabilities.md";
const folder = resolve("build/bench/vulnerabilities");
const engines = ["seccomp-ebpf", "notify"] as const;
type Engine = (typeof engines)[number];

const machine: MachineOptions = { kernel: "vulnerable", timeout: 4 * 3600 };
const counting: MachineOptions = { ...machine, icount: true };
const wanted = isSmoke ? vulnerabilities.slice(1, 2) : vulnerabilities;

function under(engine: Engine, { name }: Vulnerability): readonly string[] {
  if (engine === "notify")
    return [resolve("bin/portcullis"), "run", "-q", "--engine", "notify", "-p", `against/${name}`, "--"];
  const bundle = `${folder}/${name}.pcl`;
  mkdirSync(folder, { recursive: true });
  const words = ["compile", "--target", "unprivileged", "-p", `against/${name}`, "-o", bundle];
  execFileSync("bin/portcullis", words, { stdio: ["ignore", "ignore", "inherit"] });
  return [resolve(`dist/native/${process.arch}/launcher`), "run", bundle];
}

interface Result {
  readonly rounds: number;
  readonly wins?: number;
  readonly nanoseconds?: number;
}

/** What programs print that run one after the other in one machine, as the user nobody. */
async function results(options: MachineOptions, commands: readonly (readonly string[])[]): Promise<Result[]> {
  const patient = commands.map((words): Command => ({ words, uid: 65_534, timeout: options.timeout! }));
  return (await eachInMachine(options, patient)).map(({ stdout, stderr }, index) => {
    if (stdout === "") throw new Error(`${commands[index]!.join(" ")}: ${stderr}`);
    return JSON.parse(stdout) as Result;
  });
}

/** The rounds until the pattern wins, the median of several runs; each has to win. */
async function unconfined(): Promise<ReadonlyMap<string, number>> {
  const runs = amount(5, 1);
  const commands = wanted.flatMap(({ name, rounds }) =>
    Array.from({ length: runs }, () => [programOf(name), "pattern", `${rounds}`]),
  );
  const all = await results(machine, commands);
  return new Map(
    wanted.map(({ name }, index) => {
      const own = all.slice(index * runs, (index + 1) * runs);
      if (own.some(({ wins }) => wins !== 1)) throw new Error(`${name} did not win: ${JSON.stringify(own)}`);
      return [name, median(own.map(({ rounds }) => rounds))] as const;
    }),
  );
}

/** Instructions for one round of the legitimate program: without the start, and what is done only once. */
const legitimateRounds = amount(200, 2);

interface Line {
  readonly one: Vulnerability;
  readonly needed: number;
  readonly tried: number;
  readonly wins: Readonly<Record<Engine, number>>;
  readonly pays: Readonly<Record<Engine, number>>;
}

async function measure(): Promise<Line[]> {
  const needed = await unconfined();
  const tried = (one: Vulnerability): number => Math.ceil(amount(100, 1) * needed.get(one.name)!);
  const attacks = await results(
    machine,
    wanted.flatMap((one) =>
      engines.map((engine) => [...under(engine, one), programOf(one.name), "pattern", `${tried(one)}`]),
    ),
  );
  const legitimate = await results(
    counting,
    wanted.flatMap((one) => {
      const program = [programOf(one.name), "legitimate", `${legitimateRounds}`];
      return [program, ...engines.map((engine) => [...under(engine, one), ...program])];
    }),
  );
  return wanted.map((one, index) => {
    const own = attacks.slice(index * 2, index * 2 + 2);
    const each = legitimate.slice(index * 3, index * 3 + 3).map(({ rounds, nanoseconds }) => nanoseconds! / rounds);
    const [plain, ...confined] = each as [number, number, number];
    engines.forEach((engine, at) => {
      const { rounds, wins } = own[at]!;
      const what = `${one.name}, ${engine}`;
      print({ bench, case: `${what}: wins in ${rounds} rounds`, ours: wins!, unit: "wins", limit: "0" });
      print({
        bench,
        case: `${what}: a round of the legitimate program, against no policy`,
        ours: confined[at]!,
        reference: plain,
        ratio: confined[at]! / plain,
        unit: "instructions",
        informative: true,
      });
    });
    print({
      bench,
      case: `${one.name}: rounds until the pattern wins without a policy`,
      ours: needed.get(one.name)!,
      unit: "rounds",
      informative: true,
    });
    const byEngine = (value: (at: number) => number) =>
      Object.fromEntries(engines.map((engine, at) => [engine, value(at)])) as Record<Engine, number>;
    return {
      one,
      needed: needed.get(one.name)!,
      tried: tried(one),
      wins: byEngine((at) => own[at]!.wins!),
      pays: byEngine((at) => confined[at]! / plain),
    };
  });
}

const integer = (value: number): string => Math.round(value).toLocaleString("en-US");

function table(lines: readonly Line[]): string {
  const head = [
    "| policy | the pattern wins after | rounds under the policy | wins, seccomp-ebpf | wins, notify | legitimate program, seccomp-ebpf | notify |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  const rows = lines.map(({ one, needed, tried, wins, pays }) => {
    const cells = [
      `[\`against/${one.name}\`](../policies/against/${one.name}.ts)`,
      `${integer(needed)} rounds`,
      integer(tried),
      ...engines.map((engine) => `${wins[engine]}`),
      ...engines.map((engine) => `× ${pays[engine].toFixed(2)}`),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [...head, ...rows].join("\n");
}

const lines = await measure();
if (!isSmoke) {
  const [begin, end] = ["<!-- measured -->", "<!-- end -->"];
  const text = readFileSync(document, "utf8");
  const at = [text.indexOf(begin), text.indexOf(end)] as const;
  if (at[0] < 0 || at[1] < at[0]) throw new Error(`${document} has no place for the table`);
  writeFileSync(document, `${text.slice(0, at[0])}${begin}\n\n${table(lines)}\n\n${text.slice(at[1])}`);
}
