/**
 * "Checked arguments are cheap": an allow-list of the arguments that recordings of three servers have, hundreds of lists
 * of values. Counts the instructions of a classic filter for each recorded call: libseccomp's of the same rules and ours.
 * A cache of checked arguments is worth its lookup only where the filter takes longer.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileClassic } from "../src/compile/classic/compile.ts";
import type { ClassicInstruction } from "../src/compile/classic/instruction.ts";
import { runClassic } from "../src/compile/classic/interpreter.ts";
import { auditArchitecture, hostArchitecture } from "../src/linux/architecture.ts";
import { allCalls } from "../src/linux/calls.ts";
import type { CallEvent } from "../src/traces/trace.ts";
import { decide } from "../test/classic/decide.ts";
import { libseccompFilter } from "../test/classic/libseccomp.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { median, print } from "./support/pairs.ts";
import { argumentProfile, splitOf } from "./surface/profile.ts";
import { record, runsIn } from "./surface/recording.ts";
import { missingPrograms } from "./surface/server.ts";
import { servers } from "./surface/servers.ts";

const bench = "arguments";
const architecture = hostArchitecture()!;
const lists = amount(700, 50);
const numbers = allCalls.flatMap(({ number }) => number[architecture] ?? []).sort((a, b) => a - b);

function stepsOf(filter: readonly ClassicInstruction[], calls: readonly CallEvent[]): number[] {
  const known = new Map<string, number>();
  return calls.map(({ number, arguments: words }) => {
    const values = words.map(({ value }) => value);
    const key = `${number} ${values.join(" ")}`;
    const steps =
      known.get(key) ??
      runClassic(filter, {
        number,
        architecture: auditArchitecture[architecture],
        instructionPointer: 0n,
        arguments: values,
      }).steps;
    known.set(key, steps);
    return steps;
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-arguments-"));
try {
  for (const server of servers.filter(({ name }) => ["nginx", "memcached", "redis"].includes(name))) {
    const missing = missingPrograms(server);
    if (missing.length > 0) {
      const what = `${server.name}: ${missing.join(", ")} not installed`;
      print({ bench, case: what, unit: "missing programs", ours: missing.length, informative: true });
      continue;
    }
    const file = join(folder, `${server.name}.trace`);
    await record(server, 1, file, isSmoke ? 2 : undefined);
    const { profile, calls, total } = argumentProfile(runsIn(file, architecture), architecture, lists);
    const { program, split, target } = decide(profile, numbers);
    const ours = compileClassic(program, splitOf(profile, numbers), target).instructions;
    const theirs = libseccompFilter(profile).instructions;
    const share = `${profile.rules.length} lists, ${((100 * calls.length) / total).toFixed(0)} % of its calls`;
    const row = (what: string, unit: string, a: number, b: number) =>
      print({ bench, case: `${server.name}, ${what}`, unit, ours: a, reference: b, ratio: a / b, limit: "≤ 1" });
    row(`filter of ${share}`, "instructions", ours.length, theirs.length);
    const chain = compileClassic(program, split, target).instructions;
    row("filter of the same lists, one after the other", "instructions", chain.length, theirs.length);
    const [a, b] = [stepsOf(ours, calls), stepsOf(theirs, calls)];
    row("mean over the recorded calls", "instructions/call", mean(a), mean(b));
    row("median", "instructions/call", median(a), median(b));
    row("worst", "instructions/call", Math.max(...a), Math.max(...b));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
