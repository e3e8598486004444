/**
 * A part of a trace. Lines about tasks stay, also outside of the part, because the calls in it need to know who made whom.
 * Where a file is damaged, tasks are added that the missing lines may have created, so that the rest can be read.
 */
import type { LineReading } from "./lines.ts";

export interface CutBounds {
  /** Nanoseconds since the run's first line. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Names of calls: from the first of the one on, up to the first of the other. */
  readonly fromCall?: string | undefined;
  readonly toCall?: string | undefined;
  /** Numbers of runs, from 1; undefined for all. */
  readonly runs?: ReadonlySet<number> | undefined;
}

interface Line {
  readonly kind?: unknown;
  readonly tid?: unknown;
  readonly child?: unknown;
  readonly former?: unknown;
  readonly time?: unknown;
  readonly call?: unknown;
}

export class TraceCut {
  readonly #bounds: CutBounds;
  #run = 0;
  #hasStarted = false;
  /** The first task of the run. */
  #command: number | undefined;
  readonly #alive = new Set<number>();
  /** Lines of this run are missing, so tasks may be unknown. */
  #isDamaged = false;
  #first: number | undefined;
  #isInside = false;
  #isBehind = false;
  #hasFoundEnd = false;

  constructor(bounds: CutBounds) {
    this.#bounds = bounds;
  }

  /** Whether a run so far has the call that ends the part. */
  get hasFoundEnd(): boolean {
    return this.#hasFoundEnd;
  }

  /** The lines of the part, without ends. */
  *lines(readings: Iterable<LineReading>): Generator<string> {
    for (const reading of readings) {
      if (reading.kind === "damage" || (reading.kind === "line" && reading.isDamaged)) yield* this.#damage();
      else if (reading.kind === "line") yield* this.#line(reading.text);
    }
  }

  *#damage(): Generator<string> {
    this.#isDamaged = true;
    if (this.#run > 0 && this.#isWanted()) yield '{"v":1,"kind":"lost"}';
  }

  *#line(text: string): Generator<string> {
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch {
      // A line in the middle of which a plain file was cut.
      yield* this.#damage();
      return;
    }
    if (line === null || typeof line !== "object") return;
    if (line.kind === "recording") {
      this.#begin();
      if (this.#isWanted()) yield text;
      return;
    }
    if (line.kind === "start" && this.#hasStarted) this.#begin();
    if (this.#run === 0) this.#begin();
    this.#hasStarted = true;
    if (!this.#isWanted()) return;
    if (this.#isDamaged) yield* this.#mended(line);
    this.#follow(line);
    if (line.kind !== "call" && line.kind !== "return") yield text;
    else if (this.#includes(line)) yield text;
  }

  #begin(): void {
    this.#run++;
    this.#hasStarted = false;
    this.#command = undefined;
    this.#alive.clear();
    this.#isDamaged = false;
    this.#first = undefined;
    this.#isInside = this.#bounds.fromCall === undefined;
    this.#isBehind = false;
  }

  #isWanted(): boolean {
    return this.#bounds.runs?.has(this.#run) ?? true;
  }

  /** Lines that create the task of this line, or end one whose end is missing. */
  *#mended({ kind, tid, child }: Line): Generator<string> {
    if (typeof tid !== "number" || kind === "start") return;
    if (!this.#alive.has(tid)) {
      const [parent] = this.#alive;
      if (this.#command === undefined) yield `{"v":1,"kind":"start","tid":${tid}}`;
      else if (parent !== undefined) yield `{"v":1,"kind":"fork","tid":${parent},"child":${tid}}`;
      this.#command ??= tid;
      this.#alive.add(tid);
    }
    if (typeof child === "number" && this.#alive.has(child)) yield `{"v":1,"kind":"exit","tid":${child}}`;
  }

  #follow({ kind, tid, child, former }: Line): void {
    if (typeof tid !== "number") return;
    this.#command ??= tid;
    if (kind === "exit") this.#alive.delete(tid);
    else this.#alive.add(tid);
    if (typeof child === "number") this.#alive.add(child);
    if (typeof former === "number") this.#alive.delete(former);
  }

  #includes({ kind, call, time }: Line): boolean {
    const { from = 0, to = Number.POSITIVE_INFINITY, fromCall, toCall } = this.#bounds;
    const isCall = kind === "call";
    if (isCall && call === fromCall && fromCall !== undefined) this.#isInside = true;
    if (isCall && call === toCall && toCall !== undefined && this.#isInside) {
      this.#isBehind = true;
      this.#hasFoundEnd = true;
    }
    if (time === undefined) return this.#isInside && !this.#isBehind;
    this.#first ??= Number(time);
    const since = Number(time) - this.#first;
    return this.#isInside && !this.#isBehind && since >= from && since <= to;
  }
}
