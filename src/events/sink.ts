/**
 * Writes lines to a file, a pipe, a socket or a terminal without waiting for the reader. Lines that cannot be written
 * are queued up to a bound; beyond it whole lines are dropped and counted.
 */

/** One attempt to write. */
export type WriteOutcome =
  /** The number of bytes that were written, at least 1. */
  | number
  /** The reader is slow: nothing can be written now. */
  | "full"
  | WriteFault;

/** The kernel refuses the write. */
export interface WriteFault {
  /** The errno's name, "ENOSPC". */
  readonly code: string;
  /** No later attempt can succeed: the reader is gone. A full disk may be emptied. */
  readonly isFinal: boolean;
}

export interface Channel {
  write(bytes: Uint8Array): WriteOutcome;
  /** Removes the last `count` bytes that were written, if possible: at the end of a regular file. */
  retract(count: number): void;
  close(): void;
}

export interface SinkOptions {
  /** The size of the queue for a slow reader, in bytes. */
  readonly keep: number;
  /** Milliseconds until the next attempt while nothing can be written; doubled each time, up to a second. */
  readonly retryAfter: number;
  /** The line that reports how many lines were dropped before it. */
  dropped(count: number): string;
  /** Called at the first error. */
  readonly onFault?: ((fault: WriteFault) => void) | undefined;
}

/** Lost lines that no line in the channel counts. */
export interface Loss {
  readonly lines: number;
  /** The last error; undefined if the reader was slow. */
  readonly fault: WriteFault | undefined;
}

/**
 * Whether the kernel refused the lines although the channel has a reader: a full disk, or a limit on the size of files,
 * which any process of the same user can set (prlimit(2)). A slow reader and one that is gone do not count.
 */
export function isRefused({ lines, fault }: Loss): boolean {
  return lines > 0 && fault?.isFinal === false;
}

interface Queued {
  readonly bytes: Uint8Array;
  /** How many lines are lost with this one: itself, or those that it counts. */
  readonly lines: number;
}

const longestRetry = 1000;

export class LineSink {
  readonly #channel: Channel;
  readonly #options: SinkOptions;
  readonly #queue: Queued[] = [];
  #queued = 0;
  /** The number of bytes of the queue's first line that are written. */
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
    // Wait for the retry: an attempt for each line would cost a system call each.
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
   * Writes the queue for at most so many milliseconds and closes. Removes a partly written last line if the channel
   * can.
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

  /** The count takes the place of the missing lines. It may exceed the bound, because it is short. */
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
    this.#timer.unref(); // a reader that never reads must not prolong the process
    this.#retryAfter = Math.min(longestRetry, 2 * this.#retryAfter);
  }
}
