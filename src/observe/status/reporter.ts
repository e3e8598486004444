/** Makes the status of a running tree from the records of its engine. */
import type { OwnerState, StateDescription, StateSnapshot } from "../../engines/engine/status.ts";
import { latencyWords, newStatusWords, statusWords } from "../../engines/engine/status.ts";
import { describe, printLocation } from "../../events/describe.ts";
import type { EventRecord, PolicyDescription } from "../../events/record.ts";
import { verdictText } from "../../ir/verdicts.ts";
import { RefusedGroups } from "./refused.ts";
import type { NamedState, Status } from "./status.ts";

const mostRefusals = 20;
const wordRange = 2 ** 32;

export interface ReportedRun extends Pick<Status, "command" | "audit" | "engine" | "unknown"> {
  readonly policy: PolicyDescription;
  readonly state: StateDescription;
  /** `sums` of another process that has reported this tree before. */
  readonly former?: readonly number[] | undefined;
}

export class StatusReporter {
  readonly words: Uint32Array;
  readonly #run: ReportedRun;
  readonly #start = Date.now();
  /** The sums of the words, which wrap. */
  readonly #totals: number[];
  readonly #last: number[];
  /** The totals when the calls per second were counted. */
  #rated: readonly number[];
  #perSecond: readonly number[];
  #counted = Date.now();
  #snapshot: { readonly snapshot: StateSnapshot; readonly calls: number } | undefined;
  readonly #refusals: EventRecord[] = [];
  readonly #refused: RefusedGroups;

  constructor(run: ReportedRun) {
    this.#run = run;
    this.#refused = new RefusedGroups(run.policy);
    this.words = newStatusWords(run.policy.verdicts.length);
    this.#totals = Array.from(this.words, (_, index) => run.former?.[index] ?? 0);
    this.#last = Array.from(this.words, () => 0);
    this.#rated = [...this.#totals];
    this.#perSecond = this.#rated;
  }

  /** Asks the engine for a snapshot after its next judgement. */
  ask(): void {
    this.words[statusWords.wanted] = 1;
  }

  snapshot(snapshot: StateSnapshot): void {
    this.#add();
    this.#snapshot = { snapshot, calls: this.#calls };
  }

  record(record: EventRecord): void {
    if (record.kind !== "judgement" && record.kind !== "object") return;
    this.#refused.add(record);
    this.#refusals.push(record);
    if (this.#refusals.length > mostRefusals) this.#refusals.shift();
  }

  /** Calls by the index of their verdict, and those that portcullis itself refused. The words wrap: ask within 2^32 calls. */
  get totals(): {
    readonly verdicts: readonly number[];
    readonly refused: number;
    /** See `latencyBounds`; then the sum in microseconds. */
    readonly latency: readonly number[];
  } {
    this.#add();
    return {
      verdicts: this.#totals.slice(statusWords.verdicts, -latencyWords),
      latency: this.#totals.slice(-latencyWords),
      refused: this.#totals[statusWords.refusals]!,
    };
  }

  /** All totals, for a reporter in another process. */
  get sums(): readonly number[] {
    this.#add();
    return [...this.#totals];
  }

  /** The calls per second are the mean since the previous status. */
  status(): Status {
    this.#add();
    const now = Date.now();
    const seconds = Math.max(0.001, (now - this.#counted) / 1000);
    // Readers that ask at the same time get the same rates.
    if (seconds >= 0.5) {
      this.#perSecond = this.#totals.map((total, index) => (total - this.#rated[index]!) / seconds);
      this.#rated = [...this.#totals];
      this.#counted = now;
      this.#refused.rate(seconds);
    }
    const { policy, state, command, audit, engine, unknown } = this.#run;
    const rates = this.#perSecond;
    const verdicts = policy.verdicts.flatMap((verdict, index) => {
      const word = statusWords.verdicts + index;
      const calls = this.#totals[word]!;
      if (calls === 0) return [];
      const rule = verdict.at === undefined ? undefined : printLocation(policy.files, verdict.at);
      const of = state.calls?.[index];
      return [
        {
          ...{ verdict: verdictText(verdict), rule, reason: verdict.reason },
          ...(of === undefined ? {} : { names: of.names, moreNames: of.more }),
          ...{ calls, perSecond: round(rates[word]!) },
        },
      ];
    });
    return {
      ...({ v: 1, kind: "status", time: now / 1000, running: (now - this.#start) / 1000 } as const),
      ...{ pid: process.pid, policy: policy.name, command, audit, engine, unknown, calls: this.#calls },
      perSecond: round(sumOfCalls(rates)),
      refusedByPortcullis: this.#totals[statusWords.refusals]!,
      verdicts: verdicts.sort((one, other) => other.calls - one.calls),
      state: this.#state(),
      refused: this.#refused.list,
      refusedBefore: this.#refused.before,
      refusals: this.#refusals
        .flatMap((record) => describe(policy, record))
        .flatMap((event) => (event.kind === "decision" ? [event] : [])),
    };
  }

  get #calls(): number {
    return sumOfCalls(this.#totals);
  }

  #add(): void {
    this.words.forEach((word, index) => {
      if (index === statusWords.wanted) return;
      this.#totals[index]! += (word - this.#last[index]! + wordRange) % wordRange;
      this.#last[index] = word;
    });
  }

  #state(): Status["state"] {
    if (this.#snapshot === undefined) return undefined;
    const { snapshot, calls } = this.#snapshot;
    return {
      time: snapshot.time / 1000,
      callsSince: Math.max(0, this.#calls - calls),
      tree: this.#named(snapshot.tree),
      processes: snapshot.processes.map(({ pid, threads, ...owner }) => ({ pid, threads, ...this.#named(owner) })),
      more: snapshot.more,
    };
  }

  #named({ cells, tables }: OwnerState): NamedState {
    const { state } = this.#run;
    const phases: Record<string, string> = {};
    const values: Record<string, string | boolean> = {};
    for (const [cell, word] of cells) {
      const { name, kind } = state.cells[cell]!;
      if (kind.is === "phases") phases[name] = kind.names[Number(word)] ?? word;
      else values[name] = kind.is === "flag" ? word !== "0" : word;
    }
    return {
      phases,
      values,
      tables: tables.map(([table, keys]) => ({
        keys,
        name: state.tables[table]!.name,
        capacity: state.tables[table]!.capacity,
      })),
    };
  }
}

/** The sum of the words that count calls. */
function sumOfCalls(words: readonly number[]): number {
  return words.slice(statusWords.refusals, -latencyWords).reduce((sum, count) => sum + count, 0);
}

function round(rate: number): number {
  return Math.round(10 * rate) / 10;
}
