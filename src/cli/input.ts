/**
 * Reads an input file, such as a trace or case file, with a diagnostic for directories, fifos, devices and other
 * encodings.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { type ByteSource, sourceOf, sourceOfFile } from "../traces/blocks.ts";
import { unpackTrace } from "../traces/unpack.ts";
import { Failure } from "./verb.ts";

/** The size of a trace of 800,000 calls, which takes about 1.2 GiB of memory and 20 s to evaluate. */
const mostBytes = 64 << 20;

/**
 * @param file "-" reads standard input, which may be a pipe; a file may not.
 * @throws Failure
 */
export function readInput(file: string): string {
  const bytes = bytesOf(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Failure([diagnostic("P0903", `${name(file)} is not UTF-8`)]);
  }
}

/**
 * As `readInput`, for a trace, which may be compressed. The diagnostics are warnings.
 *
 * @throws Failure
 */
export function readTraceInput(file: string): { readonly text: string; readonly diagnostics: readonly Diagnostic[] } {
  const { text, diagnostics } = unpackTrace(bytesOf(file), name(file), mostBytes);
  if (text === undefined) throw new Failure(diagnostics);
  return { text, diagnostics };
}

/**
 * A trace of any size. `use` is called with its bytes, which are read on demand.
 *
 * @throws Failure
 */
export function withTraceSource<Result>(file: string, use: (source: ByteSource) => Result): Result {
  if (file === "-") return undamaged(file, () => use(sourceOf(bytesOf(file))));
  const fd = openRegular(file);
  try {
    return undamaged(file, () => use(sourceOfFile(fd, fstatSync(fd).size)));
  } finally {
    closeSync(fd);
  }
}

function undamaged<Result>(file: string, use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    const code = codeOf(error);
    if (code !== "Z_DATA_ERROR" && code !== "ERR_BUFFER_TOO_LARGE" && code !== "Z_BUF_ERROR") throw error;
    throw new Failure([
      diagnostic("P0824", `${name(file)} is damaged, and not in blocks that could be read one by one`),
    ]);
  }
}

let standardInput: Uint8Array | undefined;

function bytesOf(file: string): Uint8Array {
  if (file !== "-") return readFile(file);
  // It can be read once, and a verb may look at it before it knows what it is.
  standardInput ??= readAll(0, name(file), mostBytes);
  return standardInput;
}

/**
 * As `readInput`, for binary files.
 *
 * @throws Failure
 */
export function readBytes(file: string): Uint8Array {
  return readFile(file);
}

function name(file: string): string {
  return file === "-" ? "standard input" : file;
}

function readFile(file: string): Uint8Array {
  const fd = openRegular(file);
  try {
    if (fstatSync(fd).size > mostBytes) throw tooLarge(file);
    return readAll(fd, file, mostBytes);
  } finally {
    closeSync(fd);
  }
}

function openRegular(file: string): number {
  let fd: number;
  try {
    // O_NONBLOCK: opening a fifo without a writer would block for ever.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw new Failure([diagnostic("P0901", `${file} cannot be read: ${reason(error)}`)]);
  }
  const stat = fstatSync(fd);
  if (stat.isFile()) return fd;
  closeSync(fd);
  const what = stat.isDirectory() ? "a directory" : stat.isFIFO() ? "a fifo" : "not a regular file";
  throw new Failure([
    diagnostic(
      "P0902",
      `${file} is ${what}`,
      stat.isDirectory() ? {} : { help: "use - to read a pipe from standard input" },
    ),
  ]);
}

function readAll(fd: number, file: string, most: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const part = Buffer.allocUnsafe(1 << 16);
    let count: number;
    try {
      count = readSync(fd, part);
    } catch (error) {
      if (codeOf(error) === "EAGAIN") {
        // Another process made the pipe non-blocking: sleep instead of a busy wait.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        continue;
      }
      throw new Failure([diagnostic("P0901", `${file} cannot be read: ${reason(error)}`)]);
    }
    if (count === 0) return Buffer.concat(parts, total);
    total += count;
    if (total > most) throw tooLarge(file);
    parts.push(part.subarray(0, count));
  }
}

function tooLarge(file: string): Failure {
  return new Failure([diagnostic("P0904", `${file} has more than ${mostBytes >> 20} MiB`)]);
}

const sentences: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "its symbolic links form a loop",
  ENAMETOOLONG: "its name is too long",
  ENOTDIR: "a part of its path is not a directory",
};

function reason(error: unknown): string {
  const code = codeOf(error);
  return sentences[code] ?? code;
}

/** The code of a system call's error; so has an argument that Node refuses (a NUL in a path). */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
