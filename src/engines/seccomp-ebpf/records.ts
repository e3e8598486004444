/** Converts the records in the program's ring buffer to the records that all engines pass on. */

import { auditArchitecture, isX32Number } from "../../abi/architecture.ts";
import { decodeRecord, type ProgramRecord, refusals } from "../../backend/ebpf/targets/records.ts";
import type { JudgementRecord, PolicyDescription, Refusal } from "../../events/record.ts";
import { taskName } from "../../machine/proc.ts";

/** One moment on two clocks: CLOCK_MONOTONIC in nanoseconds, and `Date.now()` in milliseconds. */
export interface ClockPair {
  readonly monotonic: bigint;
  readonly wall: number;
}

export function clockPair(): ClockPair {
  return { monotonic: process.hrtime.bigint(), wall: Date.now() };
}

/** Throws a RangeError if the bytes are not a record. */
export function judgementOf(policy: PolicyDescription, bytes: Uint8Array, clocks: ClockPair): JudgementRecord {
  const record = decodeRecord(bytes);
  const common = {
    kind: "judgement",
    time: clocks.wall - Number(clocks.monotonic - record.now) / 1e6,
    pid: record.pid,
    tid: record.tid,
    // The name of a moment after the judgement; the id is 0 if the task is not visible in our pid namespace.
    command: record.tid === 0 ? undefined : taskName(record.tid),
    architecture: record.architecture,
    number: record.number,
    arguments: record.arguments,
    audit: false,
  } as const;
  if (record.kind === "report") {
    const reports = [{ report: record.which, values: record.values }];
    return { ...common, verdict: undefined, phases: [], reports };
  }
  const refusal = refusalOf(policy, record);
  if (refusal !== undefined) {
    return { ...common, verdict: refusal, errno: record.returned & 0xffff, phases: [], reports: [] };
  }
  return { ...common, verdict: record.which, phases: record.values.map(Number), reports: [] };
}

function refusalOf({ architecture }: PolicyDescription, record: ProgramRecord): Refusal | undefined {
  switch (record.which) {
    case refusals.noState:
      return "no-state";
    case refusals.invisible:
      return "invisible-task";
    case refusals.unseen:
      return "unseen-memory";
    case refusals.refused:
      return isX32Number(architecture, record.number) || record.architecture !== auditArchitecture[architecture]
        ? "foreign-abi"
        : "unknown-call";
    default:
      return undefined;
  }
}
