/** A line on a terminal that is written again and again: how much of a long file is read. */
import { basename } from "node:path";
import { safeText } from "../diagnostics/width.ts";
import type { ByteSource } from "../traces/blocks.ts";
import { type Context, writeNow } from "./context.ts";

/** Milliseconds: most files are read before the line appears. */
const interval = { first: 1000, next: 250 } as const;
/** Characters of a name. A line that wraps could not be replaced. */
const longestName = 40;

const clearedLine = "\r\x1b[K";

export class ReadingProgress {
  readonly #write: (text: string) => void;
  readonly #clock: () => number;
  #next: number;
  #isShown = false;

  /** @param clock returns milliseconds; tests give their own */
  constructor(write: (text: string) => void, clock: () => number = () => performance.now()) {
    this.#write = write;
    this.#clock = clock;
    this.#next = clock() + interval.first;
  }

  /** The same source. Its reads move the line. @param doing such as "reading"; `name` is the file's displayed name */
  watch({ size, read }: ByteSource, doing: string, name: string): ByteSource {
    const shown = safeText(basename(name)).slice(0, longestName);
    return {
      size,
      read: (offset, length) => {
        const now = this.#clock();
        if (now >= this.#next) {
          this.#next = now + interval.next;
          this.#isShown = true;
          this.#write(`${clearedLine}${doing} ${shown}: ${Math.floor((100 * offset) / Math.max(1, size))} %`);
        }
        return read(offset, length);
      },
    };
  }

  clear(): void {
    if (this.#isShown) this.#write(clearedLine);
    this.#isShown = false;
  }
}

/** Undefined if standard error is no terminal. */
export function readingProgress({ colour }: Context): ReadingProgress | undefined {
  return colour.err ? new ReadingProgress((text) => void writeNow(2, text)) : undefined;
}
