/** Summarises a trace for people: its runs, and how often each call was made and failed. */
import { maximumErrno } from "../ir/verdicts.ts";
import type { LineReading } from "./lines.ts";

/** The members of a line that are counted. Unknown ones are other programs'. */
interface Line {
  readonly kind?: unknown;
  readonly tid?: unknown;
  readonly time?: unknown;
  readonly call?: unknown;
  readonly number?: unknown;
  readonly result?: unknown;
  readonly count?: unknown;
  readonly recorder?: unknown;
  readonly began?: unknown;
  readonly command?: unknown;
  readonly unknown?: unknown;
}

export interface RunSummary {
  /** Undefined if another program has written the trace. */
  readonly recorder: string | undefined;
  readonly began: string | undefined;
  readonly command: readonly string[];
  /** The limits of the recorder. */
  readonly unknown: readonly string[];
  readonly calls: number;
  readonly processes: number;
  readonly threads: number;
  /** Seconds from the first line to the last; undefined without times. */
  readonly seconds: number | undefined;
  /** Events that the recorder has lost, or places where some are missing. */
  readonly lost: number;
}

export interface CallSummary {
  readonly call: string;
  readonly count: number;
  /** The number of failed calls among those with a known result; undefined if no result is known. */
  readonly failed: number | undefined;
  /** Runs that make it. */
  readonly runs: number;
}

export interface TraceSummary {
  readonly runs: readonly RunSummary[];
  /** The most frequent first. */
  readonly calls: readonly CallSummary[];
  readonly damage: readonly { readonly offset: number; readonly size: number }[];
  readonly truncated: boolean;
  /** Lines that are not objects of a trace. */
  readonly malformed: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const isError = (result: unknown): boolean => typeof result === "number" && result < 0 && result >= -maximumErrno;

export function summarise(lines: Iterable<LineReading>): TraceSummary {
  const summary = new Summary();
  for (const line of lines) summary.add(line);
  return summary.finish();
}

class Summary {
  readonly #runs: Mutable<RunSummary>[] = [];
  readonly #calls = new Map<string, Mutable<CallSummary> & { last: RunSummary | undefined }>();
  readonly #damage: { offset: number; size: number }[] = [];
  /** The name of the last call of each thread, for its line `return`. */
  readonly #open = new Map<number, string>();
  #truncated = false;
  #malformed = 0;
  #first: number | undefined;

  add(reading: LineReading): void {
    if (reading.kind === "truncated") this.#truncated = true;
    else if (reading.kind === "damage") {
      this.#damage.push({ offset: reading.offset, size: reading.size });
      const run = this.#runs.at(-1);
      if (run !== undefined) run.lost++;
    } else if (reading.isDamaged) this.#malformed++;
    else if (reading.text.trim() !== "") this.#line(reading.text);
  }

  finish(): TraceSummary {
    const calls = [...this.#calls.values()].map(({ call, count, failed, runs }) => ({ call, count, failed, runs }));
    calls.sort((a, b) => b.count - a.count || (a.call < b.call ? -1 : 1));
    const runs = this.#runs;
    return { runs, calls, damage: this.#damage, truncated: this.#truncated, malformed: this.#malformed };
  }

  #line(text: string): void {
    let line: Line | undefined;
    try {
      const value: unknown = JSON.parse(text);
      line = typeof value === "object" && value !== null ? value : undefined;
    } catch {
      line = undefined;
    }
    if (line === undefined || typeof line.kind !== "string") {
      this.#malformed++;
      return;
    }
    const before = this.#runs.at(-1);
    const isFresh = before !== undefined && before.calls === 0 && before.processes === 0;
    if (line.kind === "recording" || before === undefined || (line.kind === "start" && !isFresh)) this.#begin(line);
    this.#count(line, this.#runs.at(-1)!);
  }

  #begin({ recorder, began, command, unknown }: Line): void {
    const texts = (list: unknown) => (Array.isArray(list) ? list.map(String) : []);
    this.#first = undefined;
    this.#open.clear();
    this.#runs.push({
      recorder: typeof recorder === "string" ? recorder : undefined,
      began: typeof began === "string" ? began : undefined,
      command: texts(command),
      unknown: texts(unknown),
      calls: 0,
      processes: 0,
      threads: 0,
      seconds: undefined,
      lost: 0,
    });
  }

  #count(line: Line, run: Mutable<RunSummary>): void {
    const time = line.time === undefined ? Number.NaN : Number(line.time);
    if (Number.isFinite(time)) {
      this.#first ??= time;
      run.seconds = (time - this.#first) / 1e9;
    }
    const tid = Number(line.tid);
    switch (line.kind) {
      case "start":
      case "fork":
        run.processes++;
        return;
      case "thread":
        run.threads++;
        return;
      case "lost":
        run.lost += typeof line.count === "number" ? line.count : 1;
        return;
      case "return":
        this.#returned(this.#open.get(tid), line.result);
        return;
      case "call": {
        run.calls++;
        const name = typeof line.call === "string" ? line.call : `call_${line.number}`;
        this.#open.set(tid, name);
        const known = this.#calls.get(name) ?? { call: name, count: 0, failed: undefined, runs: 0, last: undefined };
        known.count++;
        if (known.last !== run) known.runs++;
        known.last = run;
        this.#calls.set(name, known);
        this.#returned(name, line.result);
        return;
      }
      default:
    }
  }

  #returned(name: string | undefined, result: unknown): void {
    const known = name === undefined ? undefined : this.#calls.get(name);
    if (known === undefined || result === undefined) return;
    known.failed = (known.failed ?? 0) + (isError(result) ? 1 : 0);
  }
}
