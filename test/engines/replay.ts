/** Prepares scripts for the machine, and compares their results with the interpreter's. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { serialize } from "node:v8";
import { build } from "esbuild";
import { returnWord } from "../../src/abi/return-word.ts";
import { decodeInstructions } from "../../src/backend/classic/instruction.ts";
import { runClassic } from "../../src/backend/classic/interpreter.ts";
import { compileForNotify } from "../../src/engines/notify/compile.ts";
import type { CompiledPolicy } from "../../src/engines/registry.ts";
import { compileForSeccompEbpf } from "../../src/engines/seccomp-ebpf/compile.ts";
import type { JudgementRecord } from "../../src/events/record.ts";
import type { Program } from "../../src/ir/program.ts";
import { SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { bundleOptions, inCheckout } from "../support/bundle.ts";
import type { Job, JobOutcome } from "./harness.ts";
import { makeScript, type Record, replayableProgram, type Script, type ScriptOptions } from "./script.ts";

export const folder = resolve("build/engines");
export const replayProgram = resolve("build/native/victims/replay");

const trapped = -(1 << 20);
const sigsys = 31;
const sigkill = 9;

/** Builds the programs for the machine. */
export async function prepare(): Promise<void> {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  mkdirSync(folder, { recursive: true });
  const common = { ...bundleOptions, packages: "external" } as const;
  await build({
    ...common,
    entryPoints: ["test/engines/harness.ts"],
    outfile: `${folder}/harness.cjs`,
    format: "cjs",
    define: inCheckout,
  });
  await build({
    ...common,
    entryPoints: ["src/engines/notify/worker.ts"],
    outfile: `${folder}/supervisor.cjs`,
    format: "cjs",
    define: { "import.meta.url": '"file:///"' },
  });
}

export interface Circumstances {
  readonly engine: "notify" | "seccomp-ebpf";
  readonly unprivileged: boolean;
  readonly uid: number;
  /** See NotifyRunOptions. */
  readonly interruptsForks?: boolean;
}

/** The scripts of some seeds, and the file with their jobs. */
export function prepareJobs(
  name: string,
  seeds: Iterable<number>,
  { engine, unprivileged, uid, interruptsForks = false }: Circumstances,
): { readonly file: string; readonly scripts: ReadonlyMap<number, Script>; readonly unable: number } {
  const jobs: Job[] = [];
  const scripts = new Map<number, Script>();
  let unable = 0;
  for (const seed of seeds) {
    const choices = new SeededChoices(seed);
    const program = replayableProgram(choices);
    if (program === undefined) continue;
    const compiled = compile(program, engine, unprivileged);
    if (compiled === undefined) {
      unable += 1;
      continue;
    }
    const script = makeScript(program, choices, {
      steps: 60,
      killsThread: threadKillsOf(compiled),
      uid,
      gid: uid,
      killSignals: engine === "notify" ? [sigkill, sigsys] : [sigsys],
    });
    jobs.push({ seed, compiled, text: script.text, interruptsForks });
    scripts.set(seed, script);
  }
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name}.jobs`;
  writeFileSync(file, serialize(jobs));
  return { file, scripts, unable };
}

function compile(program: Program, engine: Circumstances["engine"], unprivileged: boolean): CompiledPolicy | undefined {
  if (engine === "notify") {
    const { policy } = compileForNotify(program);
    return policy === undefined ? undefined : { engine, policy };
  }
  const { policy } = compileForSeccompEbpf(program, {
    mode: "reported",
    unprivileged,
    compiler: "portcullis test",
    fixed: [],
    sources: new Map(),
  });
  return policy === undefined ? undefined : { engine, policy };
}

/** On notify only the filter can kill a thread; the supervisor kills the process. */
function threadKillsOf(compiled: CompiledPolicy): ScriptOptions["killsThread"] {
  if (compiled.engine !== "notify") return () => true;
  const filter = decodeInstructions(compiled.policy.filter.instructions);
  return (event) => runClassic(filter, event).word === returnWord("KILL_THREAD");
}

// ── What came of it ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The differences from the interpreter's results. */
export function differences(script: Script, outcome: JobOutcome, engine: Circumstances["engine"]): string[] {
  const { error, status, results } = outcome;
  if (error !== undefined || status !== 0) return [`status ${status}${error === undefined ? "" : `: ${error}`}`];
  return [...resultDifferences(script, results), ...recordDifferences(script, outcome, engine)];
}

function resultDifferences({ expected }: Script, results: readonly number[]): string[] {
  const found: string[] = [];
  const ids = new Map<string, number>();
  if (results.length !== expected.length) found.push(`${results.length} results of ${expected.length}`);
  expected.forEach((one, step) => {
    const result = results[step]!;
    const wrong = (wanted: string) => found.push(`step ${step}: ${result}, not ${wanted}`);
    switch (one.is) {
      case "result":
        // A denial with errno 0 returns 0.
        if (result !== one.value) wrong(`${one.value}`);
        break;
      case "trapped":
        if (result > trapped) wrong("a trap");
        break;
      case "signal":
        if (!one.of.includes(result & 0x7f)) wrong(`signal ${one.of.join(" or ")}`);
        break;
      case "identity": {
        const who = `${one.of} ${one.task}`;
        if (result <= 0 || (ids.get(who) ?? result) !== result) wrong(`the id of ${who} (${ids.get(who)})`);
        ids.set(who, result);
        break;
      }
      case "anything":
    }
  });
  return found;
}

function recordDifferences(script: Script, outcome: JobOutcome, engine: Circumstances["engine"]): string[] {
  const { program } = script;
  const isReported = ({ kind, which }: Record): boolean => {
    if (kind === "report" || which === "refused") return true;
    const { action } = program.verdicts[which]!;
    // On notify the kernel carries out static kills and traps, without records.
    return action !== "allow" && (engine === "seccomp-ebpf" || !/^(kill|trap)/.test(action));
  };
  const emitted = outcome.records.flatMap((record) => (record.kind === "judgement" ? flat(record) : []));
  const notices = outcome.records.flatMap((record) => (record.kind === "notice" ? [record.text] : []));
  const wanted = script.records.filter(isReported).map(printRecord);
  const found = emitted.filter(isReported).map(printRecord);
  const names = program.verdicts.map(({ action }, index) => `${index} ${action}`).join(", ");
  for (let at = 0; at < Math.max(wanted.length, found.length); at++) {
    if (wanted[at] === found[at]) continue;
    const count = `${found.length} of ${wanted.length}; ${names}`;
    return [...notices, `record ${at}: ${found[at]}, not ${wanted[at]} (${count})`];
  }
  return notices;
}

function flat({ verdict, reports, number, arguments: registers }: JudgementRecord): Record[] {
  const madeCall = { number, arguments: registers.map(BigInt) };
  const list: Record[] = reports.map(({ report, values }) => ({
    kind: "report",
    which: report,
    values: values.map(BigInt),
    ...madeCall,
  }));
  if (typeof verdict === "number") list.push({ kind: "verdict", which: verdict, values: [], ...madeCall });
  else if (verdict !== undefined) list.push({ kind: "verdict", which: "refused", values: [], ...madeCall });
  return list;
}

function printRecord({ kind, which, number, values, arguments: registers }: Record): string {
  return `${kind} ${which} of ${number}(${registers.join(", ")}): ${values.join(", ")}`;
}
