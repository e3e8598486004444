/** The inputs and outputs of a verb, so that tests can replace them. */
import { writeSync } from "node:fs";
import { release } from "node:os";
import { safeLines, safeText } from "../diagnostics/width.ts";
import { packageVersion } from "../machine/package.ts";
import { reasonOf } from "./file-fault.ts";

export interface Context {
  /** Prints data on stdout. */
  out(text: string): void;
  /** Prints text for people on stderr. */
  err(text: string): void;
  /** Whether to emit escape sequences: on a terminal, without NO_COLOR (no-color.org). */
  readonly colour: { readonly out: boolean; readonly err: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  /**
   * The verb's exit status is an answer: it continues without a reader of stdout. Other verbs end then, with status 0
   * (`portcullis explain … | head`).
   */
  answers?(): void;
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
 *
 * @returns the error that prevented it
 */
export function writeNow(descriptor: number, text: string): NodeJS.ErrnoException | undefined {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return error as NodeJS.ErrnoException;
      // Another process has made the descriptor non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
  return undefined;
}

/** The sentence for output that cannot be written. */
export function unwrittenOutput(error: NodeJS.ErrnoException): string {
  return `standard output cannot be written: ${reasonOf(error)}`;
}

export function processContext(): Context {
  reportInternalErrors(process.exit);
  let isAnswer = false;
  // Opened on demand: opening the streams takes longer than starting most verbs.
  const out = opened(
    () => process.stdout,
    (error) => {
      if (error.code === "EPIPE") {
        if (!isAnswer) process.exit(0);
        return;
      }
      writeNow(2, `error P0901: ${unwrittenOutput(error)}\n`);
      process.exit(125);
    },
  );
  // The messages are lost, and the exit status remains.
  const err = opened(
    () => process.stderr,
    () => {},
  );
  const context = contextOf(
    (text) => write(out(), text),
    (text) => write(err(), text),
    { out: () => out().isTTY === true, err: () => err().isTTY === true },
  );
  // Not a spread, which would ask for the working directory.
  return Object.assign(context, {
    answers() {
      isAnswer = true;
    },
  });
}

function opened(
  stream: () => NodeJS.WriteStream,
  failed: (error: NodeJS.ErrnoException) => void,
): () => NodeJS.WriteStream {
  let open: NodeJS.WriteStream | undefined;
  return () => {
    open ??= stream().on("error", failed);
    return open;
  };
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

export function reportInternalErrors(leave: (status: number) => never): void {
  process.on("uncaughtException", (error) => {
    // Without a stack trace, which says nothing to a user.
    writeNow(2, internalError(error, process.env["PORTCULLIS_DEBUG"] !== undefined));
    leave(125);
  });
}

/** The working directory was removed: process.cwd() fails. */
export function isWithoutDirectory(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "uv_cwd";
}

/**
 * The lines about an internal error, which may name a file, and what a report of it needs. They are written also where no
 * `Context` makes them safe.
 */
export function internalError(error: unknown, withStack: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const stack = withStack && error instanceof Error ? error.stack : undefined;
  const detail = stack === undefined ? safeText(message) : safeLines(stack, false);
  const output = withStack ? "this output" : "the output with PORTCULLIS_DEBUG=1 in the environment";
  return [
    `portcullis: internal error: ${detail}`,
    `  help: this is a bug of portcullis: please report it (CONTRIBUTING.md, "Report a bug"), with the command line, the policy, the files that it imports, and ${output}`,
    `  version: portcullis ${ownVersion()}, Node.js ${process.version}, Linux ${release()}, ${process.arch}`,
    "",
  ].join("\n");
}

/** Preparing a policy has read it already, so that after the start of a command no file is read. */
function ownVersion(): string {
  try {
    return safeText(packageVersion());
  } catch {
    return "of an unknown version";
  }
}
