/** The supervisor's part of the status of a running tree: counts, and on request a snapshot of the state. */
import { latencyBounds, latencyWords, type StateSnapshot, statusWords } from "../engine/status.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { TaskRegistry } from "./tasks/tasks.ts";

export interface StatusSink {
  /** In shared memory (engines/engine/status.ts). */
  readonly words: Uint32Array;
  readonly put: (snapshot: StateSnapshot) => void;
}

/** Snapshots that no reader has asked for take at most this share of the time, apart from saved time. */
const share = 0.1;
/** Milliseconds, for the start of a tree, in which most phases change. */
const mostSaved = 100;

export class StatusCounts {
  readonly #sink: StatusSink | undefined;
  /** Since the last snapshot a phase has changed. At first there is no snapshot. */
  #isOld = true;
  /** Milliseconds that snapshots of changed phases may take, at the time `#counted`. */
  #saved = mostSaved;
  #counted = 0;

  /** Without a sink nothing is counted. */
  constructor(sink: StatusSink | undefined) {
    this.#sink = sink;
  }

  get isRequested(): boolean {
    return this.#sink !== undefined && this.#sink.words[statusWords.wanted] !== 0;
  }

  get isServed(): boolean {
    return this.#sink !== undefined;
  }

  /**
   * Asks for a snapshot when a phase has changed, so that a later reader finds the phases of a tree whose calls then need
   * no supervisor.
   *
   * @param changed the judgement has changed a phase
   */
  judged(verdict: number, changed: boolean): void {
    if (this.#sink === undefined) return;
    this.#sink.words[statusWords.verdicts + verdict]!++;
    this.#isOld ||= changed;
    if (this.#isOld && this.#isAffordable()) this.#sink.words[statusWords.wanted] = 1;
  }

  #isAffordable(): boolean {
    const now = performance.now();
    this.#saved = Math.min(mostSaved, this.#saved + share * (now - this.#counted));
    this.#counted = now;
    return this.#saved > 0;
  }

  /** Milliseconds, for `measure`. */
  now(): number {
    return this.#sink === undefined ? 0 : performance.now();
  }

  /** Counts the time since `begin`, in which one notification was judged. */
  measure(begin: number): void {
    if (this.#sink === undefined) return;
    const { words } = this.#sink;
    const time = performance.now() - begin;
    let bucket = 0;
    while (bucket < latencyBounds.length && time > latencyBounds[bucket]!) bucket++;
    words[words.length - latencyWords + bucket]!++;
    words[words.length - 1]! += Math.round(1000 * time);
  }

  refused(): void {
    if (this.#sink !== undefined) this.#sink.words[statusWords.refusals]!++;
  }

  tell(memory: JudgementMemory, registry: TaskRegistry): void {
    if (this.#sink === undefined) return;
    this.#sink.words[statusWords.wanted] = 0;
    this.#isOld = false;
    const begin = performance.now();
    this.#sink.put(takeSnapshot(memory, registry));
    this.#saved -= performance.now() - begin;
  }
}
