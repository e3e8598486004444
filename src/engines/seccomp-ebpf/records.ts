/** From what the program tells through its ring buffer to the records that all engines hand over. */
import { readFileSync } from "node:fs";
import { decodeRecord, type ProgramRecord, refusals } from "../../compile/ebpf/targets/records.ts";
import type { JudgementRecord, PolicyDescription, Refusal } from "../../events/record.ts";
import { auditArchitecture, x32Bit } from "../../linux/architecture.ts";

/** A moment on two clocks: what CLOCK_MONOTONIC says in ns, and `Date.now()`. */
export interface ClockPair {
  readonly monotonic: bigint;
  readonly wall: number;
}

export function clockPair(): ClockPair {
  return { monotonic: process.hrtime.bigint(), wall: Date.now() };
}

/** Throws a RangeError where the bytes are no record. */
export function judgementOf(policy: PolicyDescription, bytes: Uint8Array, clocks: ClockPair): JudgementRecord {
  const record = decodeRecord(bytes);
  const common = {
    kind: "judgement",
    time: clocks.wall - Number(clocks.monotonic - record.now) / 1e6,
    pid: record.pid,
    tid: record.tid,
    command: nameOf(record.tid),
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
    case refusals.refused: {
      const isX32 = architecture === "x86_64" && record.number !== -1 && (record.number & x32Bit) !== 0;
      return isX32 || record.architecture !== auditArchitecture[architecture] ? "foreign-abi" : "unknown-call";
    }
    default:
      return undefined;
  }
}

/** The thread's name now, which is a moment later than the judgement. */
function nameOf(tid: number): string | undefined {
  if (tid === 0) return undefined;
  try {
    return readFileSync(`/proc/${tid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}
