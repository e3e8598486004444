/**
 * Runs scripts under compiled policies, one after the other, inside the machine; bundled by replay.test.ts, because Node
 * 20 runs no TypeScript.
 *
 *     node harness.cjs REPLAY JOBS...        JOBS: v8-serialized `Job[]`; one JSON line for each job comes out
 */
import { readFileSync, rmSync } from "node:fs";
import { deserialize } from "node:v8";
import { runUnderNotify } from "../../src/engines/notify/run.ts";
import type { CompiledPolicy } from "../../src/engines/registry.ts";
import { runUnderSeccompEbpf } from "../../src/engines/seccomp-ebpf/run.ts";
import type { EventRecord } from "../../src/events/record.ts";
import { patience } from "../support/patience.ts";

export interface Job {
  readonly seed: number;
  readonly compiled: CompiledPolicy;
  readonly text: string;
  /** See NotifyRunOptions. */
  readonly interruptsForks: boolean;
}

/** The result of a job. Integers that JSON would round are texts. */
export interface JobOutcome {
  readonly seed: number;
  readonly status: number;
  readonly results: readonly number[];
  readonly records: readonly EventRecord[];
  readonly error?: string;
}

async function run(job: Job, replay: string): Promise<JobOutcome> {
  const file = `/tmp/replay-${process.pid}`;
  const records: EventRecord[] = [];
  const options = { onEvent: (record: EventRecord) => void records.push(record), timeout: patience.command };
  const command = [replay, job.text, file];
  const { seed, compiled, interruptsForks } = job;
  const supervisor = "build/engines/supervisor.cjs";
  try {
    const { status } =
      compiled.engine === "notify"
        ? await runUnderNotify(compiled.policy, command, { ...options, supervisor, interruptsForks })
        : await runUnderSeccompEbpf(compiled.policy, command, { ...options, events: true });
    const results = readFileSync(file, "utf8").trim().split("\n").map(Number);
    rmSync(file);
    return { seed, status, results, records };
  } catch (error) {
    return { seed, status: 125, results: [], records, error: String(error) };
  }
}

const [replay, ...files] = process.argv.slice(2);
(async () => {
  for (const job of files.flatMap((file) => deserialize(readFileSync(file)) as Job[])) {
    const outcome = await run(job, replay!);
    const line = JSON.stringify(outcome, (_, value) => (typeof value === "bigint" ? value.toString() : value));
    process.stdout.write(`${line}\n`);
  }
  process.exit(0);
})();
