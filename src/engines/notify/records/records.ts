/** Makes the records of the supervisor's judgements and refusals, which become events. */

import { callNumber } from "../../../abi/call-numbers.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { takeReports } from "../../../backend/wasm/instance.ts";
import { isExpectedRefusal } from "../../../events/expected.ts";
import type { EventRecord, JudgementRecord, Refusal } from "../../../events/record.ts";
import type { Action } from "../../../ir/verdicts.ts";
import { noDescriptorsLeft } from "../../../machine/pidfd.ts";
import type { PinOutcome } from "../pin/outcome.ts";
import type { JudgementMemory } from "../policy/memory.ts";
import type { NotifyPolicy } from "../policy/policy.ts";
import { describeTask } from "../tasks/caller.ts";
import type { Thread } from "../tasks/tasks.ts";

/** The destination of records. */
export interface RecordSink {
  /** Whether a record of this kind may be made. Asked first, because a record costs more than the judgement. */
  wants(key: string, now: number): boolean;
  put(record: EventRecord): void;
}

export class Records {
  readonly #memory: JudgementMemory;
  readonly #sink: RecordSink;
  readonly #audit: boolean;
  readonly #verdicts: NotifyPolicy["description"]["verdicts"];
  readonly #clone3: number;
  #reportedDescriptors = false;

  constructor(memory: JudgementMemory, policy: Pick<NotifyPolicy, "mode" | "description">, sink: RecordSink) {
    const { mode, description } = policy;
    this.#memory = memory;
    this.#sink = sink;
    this.#audit = mode === "audit";
    this.#verdicts = description.verdicts;
    this.#clone3 = callNumber("clone3", description.architecture);
  }

  /** Whether describe.ts would leave out the event, so that no record is needed. */
  isExpected(number: number, verdict: number): boolean {
    return number === this.#clone3 && isExpectedRefusal("clone3", this.#verdicts[verdict]!);
  }

  /** The supervisor itself refuses the call in the memory, independently of the policy. */
  putRefusal(
    refusal: Refusal,
    number: number,
    why: Pick<JudgementRecord, "obstacle" | "pin" | "hold" | "enter"> & { readonly audit?: boolean },
  ): void {
    const now = Date.now();
    const key = `${refusal} ${this.#memory.number}`;
    if (this.#sink.wants(key, now))
      this.#sink.put({
        ...this.#callRecord(now, undefined),
        verdict: refusal,
        errno: number,
        phases: [],
        reports: [],
        audit: false,
        ...why,
      });
  }

  /** The call in the memory cannot be pinned, if that is the outcome. */
  putUnpinned(outcome: PinOutcome): void {
    if (outcome.kind !== "unpinnable") return;
    const { why, refusal, errno: kernelErrno, obstacle } = outcome;
    const isAudited = refusal === 0;
    this.putRefusal("unpinned", isAudited ? errno.EPERM : refusal, {
      pin: { why, errno: kernelErrno },
      obstacle,
      audit: isAudited,
    });
  }

  /** Undefined if the sink wants no such record now. */
  judgement(
    verdict: number,
    action: Action,
    caller: Thread | undefined,
    phases: readonly number[],
  ): JudgementRecord | undefined {
    const reports = this.#memory.reportCount === 0 ? [] : takeReports(this.#memory.instance.memory);
    const now = Date.now();
    // The rate of reports is limited for each report, that of denials for each rule and call.
    const key =
      action === "allow" ? `report ${reports.map(({ report }) => report).join()}` : `${verdict} ${this.#memory.number}`;
    if (!this.#sink.wants(key, now)) return undefined;
    return { ...this.#callRecord(now, caller), verdict, phases, reports, audit: this.#audit && action !== "allow" };
  }

  #callRecord(
    time: number,
    caller: Thread | undefined,
  ): Omit<JudgementRecord, "verdict" | "phases" | "reports" | "audit"> {
    const { tid, architecture, number } = this.#memory;
    const described = describeTask(tid);
    if (described.command === undefined && tid !== 0) this.reportDescriptors();
    return {
      kind: "judgement",
      time,
      pid: caller?.process.pid ?? described.pid,
      tid,
      command: described.command,
      architecture,
      number: number | 0,
      arguments: this.#memory.arguments(),
    };
  }

  putNotice(text: string): void {
    this.#sink.put({ kind: "notice", time: Date.now(), text });
  }

  /** Reports once that this process has no file descriptor left. */
  reportDescriptors(): void {
    if (this.#reportedDescriptors || !noDescriptorsLeft()) return;
    this.#reportedDescriptors = true;
    this.putNotice(
      "portcullis has no file descriptor left (RLIMIT_NOFILE, which a process of the same user can lower with prlimit): " +
        "from here on events lack the names of callers, and processes that are not known yet are refused",
    );
  }
}
