/**
 * Lines into a file, a pipe or a terminal, without ever waiting for whoever reads them: what cannot be written at once is
 * kept, up to a bound; beyond it whole lines are dropped and counted.
 */

/** One attempt to write. */
export type WriteOutcome =
  /** So many bytes were taken, at least one. */
  | number
  /** Nothing can be taken now. */
  | "full"
  /** Nothing will ever be taken again. */
  | "closed";

export interface Channel {
  write(bytes: Uint8Array): WriteOutcome;
  close(): void;
}

export interface SinkOptions {
  /** How many bytes are kept for a reader that is slow. */
  readonly keep: number;
  /** Milliseconds between attempts while the channel is full. */
  readonly retryAfter: number;
  /** A line that tells how many were dropped before it. */
  dropped(count: number): string;
}

export class LineSink {
  readonly #channel: Channel;
  readonly #options: SinkOptions;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  #dropped = 0;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: Channel, options: SinkOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  /** Lines that were dropped and of which the reader was not told. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param line without a line end. */
  write(line: string): void {
    if (this.#closed) {
      this.#dropped++;
      return;
    }
    const bytes = Buffer.from(`${line}\n`);
    if (this.#queued > 0) this.#attempt();
    if (this.#queued + bytes.length > this.#options.keep) {
      this.#dropped++;
      return;
    }
    this.#tell();
    this.#push(bytes);
    this.#attempt();
  }

  /** Writes what is still kept, for at most so many milliseconds, and closes. */
  async finish(patience: number): Promise<void> {
    const until = Date.now() + patience;
    this.#tell();
    this.#attempt();
    while (this.#queue.length > 0 && !this.#closed && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, this.#options.retryAfter));
      this.#attempt();
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#closed) this.#channel.close();
    this.#closed = true;
  }

  /** The count goes where the lines are missing, ahead of what follows them. It may go over the bound: it is short. */
  #tell(): void {
    if (this.#dropped === 0 || this.#closed) return;
    this.#push(Buffer.from(`${this.#options.dropped(this.#dropped)}\n`));
    this.#dropped = 0;
  }

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  #attempt(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const outcome = this.#channel.write(first);
      if (outcome === "closed") {
        this.#dropped += this.#queue.length;
        this.#queue.length = 0;
        this.#queued = 0;
        this.#closed = true;
        return;
      }
      if (outcome === "full") {
        this.#retryLater();
        return;
      }
      this.#queued -= outcome;
      if (outcome === first.length) this.#queue.shift();
      else this.#queue[0] = first.subarray(outcome);
    }
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#attempt();
    }, this.#options.retryAfter);
    this.#timer.unref(); // a reader that never reads must not keep us alive
  }
}
