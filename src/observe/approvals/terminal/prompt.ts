/**
 * A question on the terminal that the tree also writes on. An answer that allows has the question's random code: keys that
 * were meant for the tree's program, and what the terminal sends by itself after an escape sequence of the tree, are none.
 */
import { safeText } from "../../../diagnostics/width.ts";
import type { Answer } from "../protocol.ts";

export interface Reading {
  /** What to write on the terminal: it does not echo. */
  readonly echo: string;
  readonly answer?: Answer;
  /** The keys after the answer, which are for the command. */
  readonly rest?: string;
}

/** Longer lines are no answers. */
const longestLine = 32;

/** So many lines that are no answer deny: a process that can type on the terminal tries one number after the other. */
const mostLines = 5;

export class Prompt {
  readonly #code: string;
  readonly #repeatable: boolean;
  #line = "";
  #others = 0;

  /** @param repeatable whether `always` is an answer */
  constructor(code: string, repeatable: boolean) {
    this.#code = code;
    this.#repeatable = repeatable;
  }

  /** The question and the ways to answer it. */
  text(about: string): string {
    // A tree can have hidden what the terminal writes: DECSTR (VT510), usual attributes and character set.
    const usual = "\x1b[!p\x1b[0m\x1b(B\x0f";
    return `${usual}\r\nportcullis: ${safeText(about)}\r\n${this.#ways()}`;
  }

  /** Reads keys, one character each. Several that come at once with an escape sequence are the terminal's own. */
  read(keys: string): Reading {
    if (keys.includes("\x1b")) return { echo: "" };
    let echo = "";
    let read = 0;
    for (const key of keys) {
      read += key.length;
      const isEnd = key === "\x03" || key === "\x04";
      if (isEnd || key === "\r" || key === "\n") {
        const answer = isEnd ? "deny" : (this.#answer() ?? (++this.#others < mostLines ? undefined : "deny"));
        if (answer !== undefined) return { echo: `${echo}\r\n`, answer, rest: keys.slice(read) };
        echo += `\r\n${this.#ways()}`;
        this.#line = "";
      } else if (key === "\x7f" || key === "\b") {
        if (this.#line !== "") echo += "\b \b";
        this.#line = this.#line.slice(0, -1);
      } else if (/^[ -~]$/.test(key) && this.#line.length < longestLine) {
        this.#line += key;
        echo += key;
      }
    }
    return { echo };
  }

  #ways(): string {
    const always = this.#repeatable ? `${this.#code} always: also equal calls, ` : "";
    return `${this.#code}: allow, ${always}d: deny> `;
  }

  #answer(): Answer | undefined {
    const words = this.#line.trim().split(/ +/).join(" ");
    if (words === this.#code) return "allow";
    if (words === `${this.#code} always` && this.#repeatable) return "always";
    return words === "d" || words === "deny" ? "deny" : undefined;
  }
}
