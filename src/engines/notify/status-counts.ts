/** The supervisor's part of the status of a running tree: counts, and on request a snapshot of the state. */
import { type StateSnapshot, statusWords } from "../status.ts";
import type { JudgementMemory } from "./memory.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { TaskRegistry } from "./tasks.ts";

export interface StatusSink {
  /** In shared memory (engines/status.ts). */
  readonly words: Uint32Array;
  readonly put: (snapshot: StateSnapshot) => void;
}

export class StatusCounts {
  readonly #sink: StatusSink | undefined;

  /** Without a sink nothing is counted. */
  constructor(sink: StatusSink | undefined) {
    this.#sink = sink;
  }

  get isAsked(): boolean {
    return this.#sink !== undefined && this.#sink.words[statusWords.wanted] !== 0;
  }

  judged(verdict: number): void {
    if (this.#sink !== undefined) this.#sink.words[statusWords.verdicts + verdict]!++;
  }

  refused(): void {
    if (this.#sink !== undefined) this.#sink.words[statusWords.refusals]!++;
  }

  tell(memory: JudgementMemory, registry: TaskRegistry): void {
    if (this.#sink === undefined) return;
    this.#sink.words[statusWords.wanted] = 0;
    this.#sink.put(takeSnapshot(memory, registry));
  }
}
