/**
 * Records a million calls of `dd bs=1` by each recorder, or as many millions as `--only=10` says, and proposes and reports
 * from them: the peak memory of each, the time,
 * and how many events were lost.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recorders } from "../src/observe/record/session/registry.ts";
import { amount, chosen } from "./support/amount.ts";
import { removeWithUs } from "./support/end-with-us.ts";
import { print } from "./support/pairs.ts";
import { traceTexts } from "./support/trace-texts.ts";

const bench = "scale";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-scale-"));
removeWithUs(folder);
const million = amount(1e6, 1e4);
/** Milliseconds between looks at the memory of a process. Linux keeps its peak, so that only the last part can be missed. */
const interval = 20;

interface Cost {
  readonly seconds: number;
  /** Seconds of all its threads on a processor: on a quiet machine more than the time that passes. */
  readonly processor: number;
  /** The largest memory of the process of Node, in MB. */
  readonly peak: number;
}

/** @param isBehindFront the process of Node is the child of the first one */
function costOf(words: readonly string[], isBehindFront: boolean): Promise<Cost> {
  const began = performance.now();
  const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  let [peak, processor, messages] = [0, 0, ""];
  child.stderr.on("data", (part) => {
    messages += part;
  });
  const timer = setInterval(() => {
    for (const process of processesOf(child.pid!, isBehindFront)) {
      peak = Math.max(peak, peakOf(process));
      processor = Math.max(processor, processorTime(process));
    }
  }, interval);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      clearInterval(timer);
      if (status !== 0 && !messages.includes("events were lost")) {
        reject(new Error(`${words.join(" ")}: ${status}\n${messages}`));
      } else resolve({ seconds: (performance.now() - began) / 1000, processor, peak });
    });
  });
}

function processesOf(first: number, isBehindFront: boolean): readonly string[] {
  if (!isBehindFront) return [String(first)];
  return (contentOf(`/proc/${first}/task/${first}/children`) ?? "").trim().split(" ");
}

function peakOf(process: string): number {
  const status = contentOf(`/proc/${process}/status`) ?? "";
  if (!/^Name:\tnode$/m.test(status)) return 0;
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1000;
}

function processorTime(process: string): number {
  const stat = contentOf(`/proc/${process}/stat`) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  return ticks / 100; // USER_HZ
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return undefined; // it has ended
  }
}

async function measure(recorder: string, millions: number): Promise<void> {
  const count = Math.floor((millions * million) / 2);
  const name = `${recorder}, ${millions} million calls`;
  const file = join(folder, `${recorder}-${millions}.trace`);
  const row = (what: string, unit: string, ours: number, limit?: string) =>
    print({
      ...{ bench, case: `${name}: ${what}`, unit, ours },
      ...(limit === undefined ? { informative: true } : { limit }),
    });
  const command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", `count=${count}`];
  const recording = ["bin/portcullis", "record", "-q", "--recorder", recorder, "-o", file, "--", ...command];
  const recorded = await costOf(recording, true);
  row("record", "MB", recorded.peak, "≤ 200");
  row("record", "s", recorded.seconds);
  let lost = 0;
  for (const text of traceTexts(file)) {
    for (const [, events] of text.matchAll(/"kind":"lost","count":(\d+)/g)) lost += Number(events);
  }
  row("record, lost events", "%", (100 * lost) / (4 * count));
  row("on disk", "MB", statSync(file).size / 1e6);
  // 60 and 30 seconds for nine millions.
  for (const [verb, most, output] of [
    ["propose", 60, "p.ts"],
    ["report", 30, "r.html"],
  ] as const) {
    const words = [
      process.execPath,
      "bin/portcullis.cjs",
      verb,
      "-q",
      "-o",
      join(folder, `${recorder}-${output}`),
      file,
    ];
    const { processor, peak } = await costOf(words, false);
    row(verb, "s of a processor", processor, `≤ ${Math.ceil((most * millions) / 9)}`);
    row(verb, "MB", peak);
  }
}

for (const { name, probe } of recorders) {
  if (!probe().works) continue;
  for (const millions of chosen?.map(Number) ?? [1]) await measure(name, millions);
}
