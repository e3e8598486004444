/**
 * Lines into a file, a pipe, a socket or a terminal, without ever waiting for the reader: what cannot be written at once
 * is kept, up to a bound; beyond it whole lines are dropped and counted.
 */

/** One attempt to write. */
export type WriteOutcome =
  /** So many bytes were taken, at least one. */
  | number
  /** The reader is slow: nothing can be taken now. */
  | "full"
  | WriteFault;

/** The kernel refuses to take anything. */
export interface WriteFault {
  /** The errno's name, "ENOSPC". */
  readonly code: string;
  /** No later attempt can succeed: the reader is gone. A full disk may be emptied. */
  readonly isFinal: boolean;
}

export interface Channel {
  write(bytes: Uint8Array): WriteOutcome;
  /** Removes the last `count` bytes that were written, where that can be done: at the end of a regular file. */
  retract(count: number): void;
  close(): void;
}

export interface SinkOptions {
  /** How many bytes are kept for a slow reader. */
  readonly keep: number;
  /** Milliseconds between attempts while nothing can be written; doubled up to a second while that goes on. */
  readonly retryAfter: number;
  /** A line that says how many were dropped before it. */
  dropped(count: number): string;
  /** Called at the first fault. */
  readonly onFault?: ((fault: WriteFault) => void) | undefined;
}

/** Lines that did not arrive, and that no line in the channel counts. */
export interface Loss {
  readonly lines: number;
  /** The last fault; undefined where the reader was slow. */
  readonly fault: WriteFault | undefined;
}

interface Queued {
  readonly bytes: Uint8Array;
  /** How many lines are lost if this one is: itself, or those that it counts. */
  readonly lines: number;
}

const longestRetry = 1000;

export class LineSink {
  readonly #channel: Channel;
  readonly #options: SinkOptions;
  readonly #queue: Queued[] = [];
  #queued = 0;
  /** How many bytes of the queue's first line are written. */
  #written = 0;
  #dropped = 0;
  #fault: WriteFault | undefined;
  #faultWasReported = false;
  #closed = false;
  #retryAfter: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: Channel, options: SinkOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#retryAfter = options.retryAfter;
  }

  /** @param line without a line end. */
  write(line: string): void {
    if (this.#closed) {
      this.#dropped++;
      return;
    }
    const bytes = Buffer.from(`${line}\n`);
    // While a retry is due, nothing can be written: one attempt a line would cost a system call each.
    if (this.#queued + bytes.length > this.#options.keep) this.#attempt();
    if (this.#queued + bytes.length > this.#options.keep) {
      this.#dropped++;
      return;
    }
    this.#countDropped();
    this.#push({ bytes, lines: 1 });
    if (this.#timer === undefined) this.#attempt();
  }

  /**
   * Writes what is still kept, for at most so many milliseconds, and closes. A line of which only a part could be written
   * is taken back, where the channel can do that.
   */
  async finish(patience: number): Promise<Loss> {
    const until = Date.now() + patience;
    this.#countDropped();
    this.#attempt();
    while (this.#queue.length > 0 && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, this.#options.retryAfter));
      this.#attempt();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#loseQueue();
    if (!this.#closed) this.#channel.close();
    this.#closed = true;
    return { lines: this.#dropped, fault: this.#fault };
  }

  /** The count goes where the lines are missing, ahead of what follows them. It may exceed the bound: it is short. */
  #countDropped(): void {
    if (this.#dropped === 0 || this.#closed) return;
    this.#push({ bytes: Buffer.from(`${this.#options.dropped(this.#dropped)}\n`), lines: this.#dropped });
    this.#dropped = 0;
  }

  #push(line: Queued): void {
    this.#queue.push(line);
    this.#queued += line.bytes.length;
  }

  #attempt(): void {
    while (this.#queue.length > 0) {
      const { bytes } = this.#queue[0]!;
      const outcome = this.#channel.write(bytes.subarray(this.#written));
      if (typeof outcome === "number") {
        this.#fault = undefined;
        this.#retryAfter = this.#options.retryAfter;
        this.#written += outcome;
        if (this.#written < bytes.length) continue;
        this.#queue.shift();
        this.#queued -= bytes.length;
        this.#written = 0;
        continue;
      }
      if (outcome === "full") {
        this.#retryLater();
        return;
      }
      this.#fault = outcome;
      if (!this.#faultWasReported) this.#options.onFault?.(outcome);
      this.#faultWasReported = true;
      if (!outcome.isFinal) {
        this.#retryLater();
        return;
      }
      this.#loseQueue();
      this.#channel.close();
      this.#closed = true;
      return;
    }
  }

  #loseQueue(): void {
    if (this.#written > 0) this.#channel.retract(this.#written);
    for (const { lines } of this.#queue) this.#dropped += lines;
    this.#queue.length = 0;
    this.#queued = 0;
    this.#written = 0;
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#attempt();
    }, this.#retryAfter);
    this.#timer.unref(); // a reader that never reads must not keep the process alive
    this.#retryAfter = Math.min(longestRetry, 2 * this.#retryAfter);
  }
}
