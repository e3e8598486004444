/** Records of judgements for the tests of events. */
import type { JudgementRecord } from "../record.ts";

/** A judgement without reports, with these members changed. */
export function judgement(changes: Partial<JudgementRecord>): JudgementRecord {
  return {
    kind: "judgement",
    time: 0,
    pid: 1,
    tid: 1,
    command: "c",
    architecture: 0xc000_003e,
    number: 0,
    arguments: [0n, 0n, 0n, 0n, 0n, 0n],
    verdict: 0,
    phases: [],
    reports: [],
    audit: false,
    ...changes,
  };
}
