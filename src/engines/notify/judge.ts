/** Evaluates the policy for the call in the memory, and writes the records of the verdict. */

import { errno } from "../../abi/errno-numbers.ts";
import type { PolicyInstance } from "../../backend/wasm/instance.ts";
import { rememberState } from "../../backend/wasm/state.ts";
import type { Answered, JudgementRecord } from "../../events/record.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { MemoryOfCall, MemoryRecorder } from "./caller-memory.ts";
import { PhaseReader } from "./phases.ts";
import type { Pinning } from "./pin/pinning.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import { answers } from "./policy/policy.ts";
import type { AnsweredCall, Questions } from "./questions.ts";
import type { RecordSink, Records } from "./records/records.ts";
import type { JudgeLate } from "./rooms/entering.ts";
import { StateWatch } from "./state-watch.ts";
import type { StatusCounts } from "./status-counts.ts";
import type { SupervisorOptions } from "./supervisor-options.ts";
import type { Thread } from "./tasks/tasks.ts";

/**
 * | fate | the call |
 * | --- | --- |
 * | pass | is made |
 * | refuse | fails with the verdict's errno, or its caller has been killed |
 * | hold | waits for an answer, and is judged again (questions.ts) |
 */
export interface Ruling {
  readonly verdict: number;
  readonly fate: "pass" | "refuse" | "hold";
}

export interface JudgeOptions {
  readonly memory: JudgementMemory;
  readonly policy: SupervisorOptions["policy"];
  readonly sink: RecordSink;
  readonly records: Records;
  readonly recorder: MemoryRecorder;
  readonly status: StatusCounts;
  /** Undefined if no call is pinned. */
  readonly pinning: Pinning | undefined;
  /** Undefined if the policy asks nothing. */
  readonly questions: Questions | undefined;
  /** Returns the errno for which the kernel refuses the kill. */
  readonly kill: (caller: Thread | undefined) => number | undefined;
}

export class Judge {
  readonly #options: JudgeOptions;
  readonly #instance: PolicyInstance;
  readonly #actions: readonly Action[];
  readonly #audit: boolean;
  readonly #phases: PhaseReader;
  /** Undefined if no call is pinned. */
  readonly #state: StateWatch | undefined;

  constructor(options: JudgeOptions) {
    const { memory, policy, pinning } = options;
    this.#options = options;
    this.#instance = memory.instance;
    this.#actions = policy.description.verdicts.map(({ action }) => action);
    this.#audit = policy.mode === "audit";
    this.#phases = new PhaseReader(memory, policy.step, policy.description.phases);
    this.#state = pinning === undefined ? undefined : new StateWatch(memory);
  }

  /** Runs the policy, writes the record, and kills if that is the verdict. */
  evaluate(caller: Thread | undefined, read?: MemoryOfCall): Ruling {
    const { memory, policy, status, records, sink, questions, pinning, kill } = this.#options;
    const { number } = memory;
    const phases = this.#phases.read(caller);
    const slots = { thread: caller?.slot ?? 0, process: caller?.process.slot ?? 0 };
    const restore =
      questions !== undefined && policy.askingCalls[number] === 1
        ? rememberState(this.#instance.memory, this.#instance.layout, slots)
        : undefined;
    this.#state?.remember(caller);
    const verdict = this.#instance.step(slots.thread, slots.process);
    const action = this.#actions[verdict]!;
    const answer = this.#audit ? "pass" : answers[action];
    let answered: Answered | undefined;
    if (answer === "ask") {
      answered = questions?.allows(verdict, read);
      if (answered === undefined) {
        restore?.();
        return { verdict, fate: this.#ask(verdict, caller, phases, read) };
      }
    }
    if (this.#state?.hasChanged(caller) === true) pinning?.changesState();
    status.judged(verdict, status.isServed && this.#phases.differ(phases, caller));
    // The record is made before the kill, while /proc still knows the caller, and handed over after it, when its outcome is
    // known.
    const isEvent = action !== "allow" && !records.isExpected(number, verdict);
    const made = isEvent || memory.reportCount !== 0 ? records.judgement(verdict, action, caller, phases) : undefined;
    const record = made === undefined ? undefined : { ...made, ...this.#memoryOf(read, verdict), answered };
    const notKilled = answer === "kill" ? kill(caller) : undefined;
    if (record !== undefined) sink.put(notKilled === undefined ? record : { ...record, notKilled });
    return { verdict, fate: answer === "fail" || answer === "kill" ? "refuse" : "pass" };
  }

  /** The errno that a refused call returns. A killed caller does not see it. */
  errnoOf(verdict: number): number {
    return this.#actions[verdict] === "deny" ? this.#options.policy.description.verdicts[verdict]!.errno : errno.EPERM;
  }

  /** The answer to a question has refused the call: writes its record. */
  refused({ answer, record }: AnsweredCall): void {
    const { status, sink } = this.#options;
    status.judged(record.verdict as number, false);
    sink.put({ ...record, answered: answer === "late" ? "late" : "denied" });
  }

  /** Gives the room's verdict to a call that has waited too long. Returns the call's errno. */
  readonly late: JudgeLate = (notification, caller, late) => {
    const { memory, policy, records, sink, kill } = this.#options;
    const current = memory.bytes().slice(0, notification.length);
    memory.bytes().set(notification);
    const { late: verdict, name, sides } = policy.rooms[late.room]!;
    const record = records.judgement(verdict, this.#actions[verdict]!, caller, this.#phases.read(caller));
    const notKilled = answers[this.#actions[verdict]!] === "kill" ? kill(caller) : undefined;
    if (record !== undefined) sink.put({ ...record, notKilled, late: { room: name, side: sides[late.side]! } });
    memory.bytes().set(current);
    return this.errnoOf(verdict);
  };

  /** The evaluation has changed nothing. A flood of questions is refused, as a flood of events is dropped. */
  #ask(
    verdict: number,
    caller: Thread | undefined,
    phases: readonly number[],
    read: MemoryOfCall | undefined,
  ): "hold" | "refuse" {
    const { records, sink, questions, status } = this.#options;
    const made = records.judgement(verdict, "ask", caller, phases);
    if (made === undefined) return "refuse";
    const record = { ...made, ...this.#memoryOf(read, verdict), reports: [] };
    if (questions?.ask(verdict, read, record) === true) return "hold";
    status.judged(verdict, false);
    sink.put({ ...record, answered: "too-many" });
    return "refuse";
  }

  #memoryOf(read: MemoryOfCall | undefined, verdict: number): Pick<JudgementRecord, "memory"> {
    return read === undefined ? {} : { memory: this.#options.recorder.record(read, verdict) };
  }
}
