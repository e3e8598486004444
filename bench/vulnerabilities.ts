/**
 * Measures the policies of policies/against in the virtual machine, on the kernel with the bugs put back: the rounds until
 * the pattern wins without a policy; the wins in a hundred times as many rounds under the policy; and what the legitimate
 * program pays, in instructions. Writes the table of docs/vulnerabilities.md, except with --smoke. It takes an hour; with
 * PORTCULLIS_BENCH_ONLY=NAME,NAME it measures some, and leaves the other rows.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, eachInMachine, type MachineOptions } from "../test/kernel/vm.ts";
import {
  lacksRooms,
  programOf,
  type Vulnerability,
  vulnerabilities,
} from "../test/kernel/vulnerabilities/vulnerabilities.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { median, print } from "./support/pairs.ts";

const bench = "vulnerabilities";
const document = "docs/vulnerabilities.md";
const folder = resolve("build/bench/vulnerabilities");
const engines = ["seccomp-ebpf", "notify"] as const;
type Engine = (typeof engines)[number];

const machine: MachineOptions = { kernel: "vulnerable", timeout: 4 * 3600 };
const counting: MachineOptions = { ...machine, icount: true };
const only = process.env["PORTCULLIS_BENCH_ONLY"]?.split(",");
const wanted = isSmoke
  ? vulnerabilities.slice(1, 2)
  : vulnerabilities.filter(({ name }) => only === undefined || only.includes(name));

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

/**
 * What programs print that run one after the other in one machine, as the user nobody; undefined where the engine has no
 * rooms.
 */
async function results(
  options: MachineOptions,
  commands: readonly (readonly string[])[],
): Promise<(Result | undefined)[]> {
  const patient = commands.map((words): Command => ({ words, uid: 65_534, timeout: options.timeout! }));
  return (await eachInMachine(options, patient)).map(({ stdout, stderr }, index) => {
    if (lacksRooms(stderr)) return undefined;
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
      if (own.some((each) => each?.wins !== 1)) throw new Error(`${name} did not win: ${JSON.stringify(own)}`);
      return [name, median(own.map((each) => each!.rounds))] as const;
    }),
  );
}

/** Instructions for one round of the legitimate program: without the start, and what is done only once. */
const legitimateRounds = amount(200, 2);

interface Line {
  readonly one: Vulnerability;
  readonly needed: number;
  readonly tried: number;
  /** Undefined where the engine has no rooms. */
  readonly wins: Readonly<Record<Engine, number | undefined>>;
  readonly pays: Readonly<Record<Engine, number | undefined>>;
}

async function measure(one: Vulnerability, needed: number): Promise<Line> {
  const tried = Math.ceil(amount(100, 1) * needed);
  const program = programOf(one.name);
  const confined = engines.map((engine) => [...under(engine, one), program]);
  const attacks = await results(
    machine,
    confined.map((words) => [...words, "pattern", `${tried}`]),
  );
  const legitimate = await results(
    counting,
    [[program], ...confined].map((words) => [...words, "legitimate", `${legitimateRounds}`]),
  );
  const [plain, ...paid] = legitimate.map((each) => each && each.nanoseconds! / each.rounds);
  const unit = "instructions";
  print({ bench, case: `${one.name}: rounds until it wins`, ours: needed, unit: "rounds", informative: true });
  engines.forEach((engine, at) => {
    const [attack, ours] = [attacks[at], paid[at]];
    if (attack === undefined || ours === undefined || plain === undefined) return;
    const { rounds, wins } = attack;
    const what = `${one.name}, ${engine}`;
    print({ bench, case: `${what}: wins in ${rounds} rounds`, ours: wins!, unit: "wins", limit: "0" });
    const row = { bench, case: `${what}: legitimate, against no policy`, unit, informative: true } as const;
    print({ ...row, ours, reference: plain, ratio: ours / plain });
  });
  const byEngine = (value: (at: number) => number | undefined) =>
    Object.fromEntries(engines.map((engine, at) => [engine, value(at)])) as Record<Engine, number | undefined>;
  return {
    one,
    needed,
    tried,
    wins: byEngine((at) => attacks[at]?.wins),
    pays: byEngine((at) => paid[at] && paid[at] / plain!),
  };
}

const integer = (value: number): string => Math.round(value).toLocaleString("en-US");

const head = [
  "| policy | rounds until the pattern wins | rounds under the policy | wins, seccomp-ebpf | wins, notify | legitimate program, seccomp-ebpf | notify |",
  "| --- | --- | --- | --- | --- | --- | --- |",
];
const firstCell = ({ name }: Vulnerability): string => `| [\`against/${name}\`](../policies/against/${name}.ts) |`;

function row({ one, needed, tried, wins, pays }: Line): string {
  const cells = [
    integer(needed),
    integer(tried),
    ...engines.map((engine) => `${wins[engine] ?? "no rooms"}`),
    ...engines.map((engine) => (pays[engine] === undefined ? "no rooms" : `× ${pays[engine].toFixed(2)}`)),
  ];
  return `${firstCell(one)} ${cells.join(" | ")} |`;
}

/** The document with this line in its table; the other rows stay. */
function withLine(text: string, line: Line): string {
  const [begin, end] = ["<!-- measured -->", "<!-- end -->"];
  const at = [text.indexOf(begin), text.indexOf(end)] as const;
  if (at[0] < 0 || at[1] < at[0]) throw new Error(`${document} has no place for the table`);
  const before = text.slice(at[0], at[1]).split("\n");
  const rows = vulnerabilities.flatMap((one) =>
    one === line.one ? [row(line)] : before.filter((each) => each.startsWith(firstCell(one))),
  );
  return `${text.slice(0, at[0])}${begin}\n\n${[...head, ...rows].join("\n")}\n\n${text.slice(at[1])}`;
}

const needed = await unconfined();
for (const one of wanted) {
  const line = await measure(one, needed.get(one.name)!);
  if (!isSmoke) writeFileSync(document, withLine(readFileSync(document, "utf8"), line));
}
