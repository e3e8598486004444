/** The terminal of `portcullis top`: its other screen and single keys, and its restoration at every end. */
import type { ScreenLine, ScreenSize } from "./screen.ts";

/** Signals that end `top`, and that would leave the terminal as it is. */
const ending = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The other screen, without a cursor (xterm's control sequences, which all terminals of today have). */
const enterScreen = "\x1b[?1049h\x1b[?25l";
const leaveScreen = "\x1b[0m\x1b[?25h\x1b[?1049l";

/** A character, or the sequence of an arrow or function key. */
const escapeKey = String.fromCharCode(0x1b);
const keys = new RegExp(String.raw`${escapeKey}(?:\[[\d;]*[A-Za-z~]|O[A-Za-z])?|[^${escapeKey}]`, "gs");

export interface TerminalUser {
  /** A key, as the terminal sends it, except Ctrl-C and Ctrl-Z. */
  readonly onKey: (key: string) => void;
  /** The size has changed, or the screen has been left and entered again. */
  readonly onRedraw: () => void;
  /** The terminal is gone. */
  readonly onGone: () => void;
}

export class Terminal {
  readonly #user: TerminalUser;
  readonly #hasColour: boolean;
  #isEntered = false;

  constructor(user: TerminalUser, hasColour: boolean) {
    this.#user = user;
    this.#hasColour = hasColour;
    process.on("exit", this.#leave);
    for (const signal of ending) process.on(signal, this.#end);
    process.on("SIGTSTP", this.#stop);
    process.on("SIGCONT", this.#continue);
    process.stdout.on("resize", user.onRedraw);
    process.stdout.on("error", user.onGone);
    if (this.hasKeys) process.stdin.on("data", this.#read);
    this.#enter();
  }

  /** Keys can be read: standard input is a terminal, too. */
  get hasKeys(): boolean {
    return process.stdin.isTTY === true;
  }

  /** A terminal that does not know its size says 0. */
  get size(): ScreenSize {
    const { columns, rows } = process.stdout;
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** The lines are safe for a terminal and fit. */
  draw(lines: readonly ScreenLine[]): void {
    if (!this.#isEntered) return;
    const blank = Array.from({ length: Math.max(0, this.size.rows - lines.length) }, () => ({ text: "" }));
    // Each line is erased before it is written: behind its last column that would erase its last character.
    process.stdout.write(`\x1b[H${[...lines, ...blank].map((line) => `\x1b[K${this.#styled(line)}`).join("\n")}`);
  }

  /** Restores the terminal. */
  close(): void {
    this.#leave();
    process.off("exit", this.#leave);
    for (const signal of ending) process.off(signal, this.#end);
    process.off("SIGTSTP", this.#stop);
    process.off("SIGCONT", this.#continue);
    process.stdout.off("resize", this.#user.onRedraw);
    process.stdout.off("error", this.#user.onGone);
    process.stdin.off("data", this.#read);
    // An open standard input would keep Node from ending.
    if (this.hasKeys) process.stdin.pause();
  }

  #styled({ text, style }: ScreenLine): string {
    if (style === undefined || !this.#hasColour) return text;
    return `\x1b[${style === "title" ? 1 : 7}m${text}\x1b[0m`;
  }

  #enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    if (this.hasKeys) process.stdin.setRawMode(true).resume();
    process.stdout.write(enterScreen);
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    try {
      if (this.hasKeys) process.stdin.setRawMode(false);
      process.stdout.write(leaveScreen);
    } catch {
      // The terminal is gone.
    }
  };

  /** Ends by the signal, as without a handler. */
  readonly #end = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };

  readonly #stop = (): void => {
    this.#leave();
    process.kill(process.pid, "SIGSTOP");
  };

  readonly #continue = (): void => {
    this.#enter();
    this.#user.onRedraw();
  };

  readonly #read = (bytes: Buffer): void => {
    for (const [key] of bytes.toString("latin1").matchAll(keys)) {
      if (key === "\x03") this.#end("SIGINT");
      else if (key === "\x1a") this.#stop();
      else this.#user.onKey(key);
    }
  };
}
