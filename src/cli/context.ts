/** The world as a verb sees it, so that tests can bring their own. */
import { writeSync } from "node:fs";

export interface Context {
  /** Data, on stdout. */
  out(text: string): void;
  /** For people, on stderr. */
  err(text: string): void;
  /** Escape sequences are welcome there: a terminal, and no NO_COLOR (no-color.org). */
  readonly colour: { readonly out: boolean; readonly err: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
}

const unwritten = new Set<Promise<void>>();

/** Resolves when what was printed by a context of the process was read, or cannot be. */
export async function allWritten(): Promise<void> {
  while (unwritten.size > 0) await Promise.all(unwritten);
}

function write(stream: NodeJS.WriteStream, text: string): void {
  const written = new Promise<void>((resolve) => {
    stream.write(text, () => {
      unwritten.delete(written);
      resolve();
    });
  });
  unwritten.add(written);
}

/**
 * Writes all of it before it returns. Node's own streams make a pipe non-blocking for all who share it, also the command
 * that is confined. What cannot be written is lost.
 */
export function writeNow(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      // Another process has made it non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

export function processContext(): Context {
  quietWhenClosed();
  return contextOf(
    (text) => write(process.stdout, text),
    (text) => write(process.stderr, text),
    // Asked for late: opening the streams takes longer than starting most verbs.
    { out: () => process.stdout.isTTY === true, err: () => process.stderr.isTTY === true },
  );
}

export function contextOf(
  out: Context["out"],
  err: Context["err"],
  isTerminal: { readonly out: () => boolean; readonly err: () => boolean },
): Context {
  const { env } = process;
  const allowed = (env["NO_COLOR"] === undefined || env["NO_COLOR"] === "") && env["TERM"] !== "dumb";
  return {
    out,
    err,
    colour: {
      get out() {
        return allowed && isTerminal.out();
      },
      get err() {
        return allowed && isTerminal.err();
      },
    },
    environment: env,
    // Asked for late: it may have been removed, which runCommand tells.
    get workingDirectory() {
      return process.cwd();
    },
  };
}

/** A reader that has seen enough (`portcullis explain … | head`) is no error of ours. */
export function quietWhenClosed(): void {
  process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" && error.syscall === "write") process.exit(0);
    // Not a stack trace: whoever sees this is to report it, and the sentence says how.
    writeNow(2, internalError(error, process.env["PORTCULLIS_DEBUG"] !== undefined));
    process.exit(125);
  });
}

/** The working directory was removed: process.cwd() fails. */
export function isWithoutDirectory(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "uv_cwd";
}

/** The sentence for a fault of our own. */
export function internalError(error: unknown, withStack: boolean): string {
  const detail = error instanceof Error ? (withStack ? (error.stack ?? error.message) : error.message) : String(error);
  const how = withStack ? "" : "\n  help: this is a fault of portcullis; PORTCULLIS_DEBUG=1 shows more for a report";
  return `portcullis: internal error: ${detail}${how}\n`;
}
