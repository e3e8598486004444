/** Writes portcullis's own lines to standard error, without blocking, as for events. */
import { safeText } from "../diagnostics/width.ts";
import { DestinationError, openChannel } from "./channel.ts";
import { LineSink, type Loss } from "./sink.ts";

/** How long the end of a run waits for a slow reader of standard error, in milliseconds. */
const patience = 100;

export class Messages {
  #sink: LineSink | undefined;
  #cannotBeOpened = false;

  /** @param line without "portcullis: " and without a line end. A name in it cannot control the terminal. */
  write(line: string): void {
    this.#open()?.write(`portcullis: ${safeText(line)}`);
  }

  /** @returns the lines that are lost */
  async finish(): Promise<Loss> {
    return (await this.#sink?.finish(patience)) ?? { lines: 0, fault: undefined };
  }

  /** Opened on demand: most runs print nothing. */
  #open(): LineSink | undefined {
    if (this.#sink !== undefined || this.#cannotBeOpened) return this.#sink;
    try {
      this.#sink = new LineSink(openChannel({ fd: 2 }), {
        keep: 1 << 16,
        retryAfter: 20,
        dropped: (count) => `portcullis: ${count} lines were dropped: standard error is read too slowly`,
      });
    } catch (error) {
      if (!(error instanceof DestinationError)) throw error;
      this.#cannotBeOpened = true; // standard error is closed
    }
    return this.#sink;
  }
}
