/** The inputs and outputs of a verb, so that tests can replace them. */
import { writeSync } from "node:fs";

export interface Context {
  /** Prints data on stdout. */
  out(text: string): void;
  /** Prints text for people on stderr. */
  err(text: string): void;
  /** Whether to emit escape sequences: on a terminal, without NO_COLOR (no-color.org). */
  readonly colour: { readonly out: boolean; readonly err: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
}

const unwritten = new Set<Promise<void>>();

/** Resolves when all printed text has been read or cannot be. */
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
 * Writes the whole text before it returns. Node's own streams would make a pipe non-blocking for every process that
 * shares it, the confined command included. Text that cannot be written is lost.
 */
export function writeNow(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      // Another process has made the descriptor non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

export function processContext(): Context {
  quietWhenClosed();
  return contextOf(
    (text) => write(process.stdout, text),
    (text) => write(process.stderr, text),
    // Computed on demand: opening the streams takes longer than starting most verbs.
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
    // Computed on demand: it may have been removed, which runCommand reports.
    get workingDirectory() {
      return process.cwd();
    },
  };
}

/** A reader that stops early (`portcullis explain … | head`) is not an error. */
export function quietWhenClosed(): void {
  process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" && error.syscall === "write") process.exit(0);
    // One sentence that says how to report it, not a stack trace.
    writeNow(2, internalError(error, process.env["PORTCULLIS_DEBUG"] !== undefined));
    process.exit(125);
  });
}

/** The working directory was removed: process.cwd() fails. */
export function isWithoutDirectory(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "uv_cwd";
}

/** The sentence for an internal error. */
export function internalError(error: unknown, withStack: boolean): string {
  const detail = error instanceof Error ? (withStack ? (error.stack ?? error.message) : error.message) : String(error);
  const how = withStack ? "" : "\n  help: this is a bug of portcullis; PORTCULLIS_DEBUG=1 shows more for a report";
  return `portcullis: internal error: ${detail}${how}\n`;
}
