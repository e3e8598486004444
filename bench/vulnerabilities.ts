/**
 * Measures the policies of policies/against in the virtual machine, on the kernel with the bugs put back: the rounds
 * until the pattern wins without a policy; the wins in a hundred times as many rounds under the policy; and the cost
 * for the legitimate program, in instructions. Writes the table of docs/vulnerabilities.md, except with --smoke.
 *
 * It takes hours. Results are stored in build/bench/vulnerabilities; with PORTCULLIS_BENCH_RESUME=1 a run measures only
 * the missing ones. With PORTCULLIS_BENCH_ONLY=NAME,NAME it measures some policies and leaves the rows of the others.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
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
import { type Engine, engines, keep, type Measured, measuredOf, type Under } from "./vulnerabilities/measured.ts";
import { filesOf } from "./vulnerabilities/program-files.ts";
import { writeRow } from "./vulnerabilities/table.ts";

const bench = "vulnerabilities";
const machine: MachineOptions = { kernel: "vulnerable", timeout: 4 * 3600 };
const counting: MachineOptions = { ...machine, icount: true };
/**
 * For patterns of one thread: a supervised call is then no wake-up of another emulated processor, which takes
 * milliseconds on a host with other work.
 */
const single: MachineOptions = { ...machine, smp: 1 };
const isOfOneThread = ({ one }: Row): boolean => one.rule === "count";
const only = process.env["PORTCULLIS_BENCH_ONLY"]?.split(",");
const resume = process.env["PORTCULLIS_BENCH_RESUME"] === "1" && !isSmoke;
const wanted = isSmoke
  ? vulnerabilities.slice(1, 2)
  : vulnerabilities.filter(({ name }) => only === undefined || only.includes(name));

/** The number of runs of the pattern without a policy; the table has their median. */
const runsWithout = amount(5, 1);
/** The factor of rounds under the policy. */
const times = amount(100, 1);
/**
 * Rounds of one run under the policy, if several runs make all rounds: an interrupted run loses these at most. It is
 * ten times the rounds that the pattern needs, because the effects of some patterns add up.
 */
const ofRun = (needed: number): number => Math.max(10_000, Math.ceil(10 * needed));
/** Rounds of the legitimate program. */
const legitimateRounds = amount(200, 2);

function under(engine: Under, { name }: Vulnerability): readonly string[] {
  if (engine === "no policy") return [];
  if (engine === "notify")
    return [resolve("bin/portcullis"), "run", "-q", "--engine", "notify", "-p", `against/${name}`, "--"];
  const folder = resolve("build/bench/vulnerabilities");
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

/** One run of a program in the machine. */
interface Run {
  readonly row: Row;
  readonly words: readonly string[];
  /** The program's output; undefined if the engine has no rooms. */
  onResult(result: Result | undefined): void;
}

interface Row {
  readonly one: Vulnerability;
  readonly measured: Measured;
}

/**
 * Makes the runs one after the other in one machine, as the user nobody. The machine's start takes longer than most
 * runs. `files` are first copied to the machine's memory.
 */
async function make(options: MachineOptions, runs: readonly Run[], files: readonly string[] = []): Promise<void> {
  if (runs.length === 0) return;
  // The root is an overlay in memory above the host's files: it copies changed files, and links.
  const before: readonly Command[] = files.length > 0 ? [{ words: ["touch", "-c", "-h", "-m", ...files] }] : [];
  const commands = runs.map(({ words }): Command => ({ words, uid: 65_534, timeout: options.timeout! }));
  await eachInMachine(options, [...before, ...commands], ({ status, stdout, stderr }, index) => {
    if (index < before.length) {
      if (status !== 0) throw new Error(`the files cannot be copied: ${stderr}`);
      return;
    }
    const { row, words, onResult } = runs[index - before.length]!;
    if (stdout === "" && !lacksRooms(stderr)) throw new Error(`${words.join(" ")}: ${stderr}`);
    onResult(stdout === "" ? undefined : (JSON.parse(stdout) as Result));
    keepAll(row);
  });
}

function runsUnconfined(row: Row): readonly Run[] {
  const { one, measured } = row;
  const words = [programOf(one.name), "pattern", `${one.rounds}`];
  const onResult = (result: Result | undefined) => {
    if (result?.wins !== 1) throw new Error(`${one.name} did not win: ${JSON.stringify(result)}`);
    measured.needed.push(result.rounds);
  };
  return Array.from({ length: runsWithout - measured.needed.length }, () => ({ row, words, onResult }));
}

function runsUnder(engine: Engine, row: Row): readonly Run[] {
  const { one, measured } = row;
  const needed = median(measured.needed);
  const done = measured.attacks[engine] ?? { rounds: 0, wins: 0 };
  const rounds: number[] = [];
  for (let left = Math.ceil(times * needed) - done.rounds; left > 0; left -= rounds.at(-1)!)
    rounds.push(Math.min(left, ofRun(needed)));
  if (rounds.length === 0 || measured.withoutRooms.includes(engine)) return [];
  const confined = under(engine, one);
  return rounds.map((each) => ({
    row,
    words: [...confined, programOf(one.name), "pattern", `${each}`],
    onResult(result) {
      if (result === undefined) {
        if (!measured.withoutRooms.includes(engine)) measured.withoutRooms.push(engine);
        return;
      }
      done.rounds += result.rounds;
      done.wins += result.wins!;
      measured.attacks[engine] = done;
    },
  }));
}

function legitimateRuns(row: Row): readonly Run[] {
  const { one, measured } = row;
  const missing = (["no policy", ...engines] as const).filter(
    (each) => measured.legitimate[each] === undefined && !measured.withoutRooms.some((engine) => engine === each),
  );
  return missing.map((each) => ({
    row,
    words: [...under(each, one), programOf(one.name), "legitimate", `${legitimateRounds}`],
    onResult(result) {
      if (result !== undefined) measured.legitimate[each] = result.nanoseconds! / result.rounds;
    },
  }));
}

function keepAll({ one, measured }: Row): void {
  if (isSmoke) return;
  keep(one.name, measured);
  writeRow(one, measured);
}

function printAll({ one: { name }, measured: { needed, attacks, legitimate } }: Row): void {
  print({ bench, case: `${name}: rounds until it wins`, ours: median(needed), unit: "rounds", informative: true });
  for (const engine of engines) {
    const [attack, ours, reference] = [attacks[engine], legitimate[engine], legitimate["no policy"]];
    if (attack === undefined || ours === undefined || reference === undefined) continue;
    const what = `${name}, ${engine}`;
    print({ bench, case: `${what}: wins in ${attack.rounds} rounds`, ours: attack.wins, unit: "wins", limit: "0" });
    const numbers = { ours, reference, ratio: ours / reference, unit: "instructions", informative: true } as const;
    print({ bench, case: `${what}: legitimate, against no policy`, ...numbers });
  }
}

const rows = wanted.map((one): Row => ({ one, measured: measuredOf(one.name, resume) }));
await make(machine, rows.flatMap(runsUnconfined));
// The longest runs come last.
const byEffort = rows.toSorted((a, b) => median(a.measured.needed) - median(b.measured.needed));
await make(
  counting,
  byEffort.flatMap(legitimateRuns),
  rows.flatMap(({ one: { executes } }) => (executes === undefined ? [] : filesOf(executes))),
);
for (const engine of engines) {
  const [alone, racing] = [true, false].map((isAlone) =>
    byEffort.filter((row) => isOfOneThread(row) === isAlone).flatMap((row) => runsUnder(engine, row)),
  );
  await make(machine, racing!);
  await make(single, alone!);
}
for (const row of rows) printAll(row);
