/**
 * Reads an input file, such as a trace or case file, with a diagnostic for directories, fifos, devices and other
 * encodings.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { noteFile } from "../machine/inputs.ts";
import { type ByteSource, sourceOfFile } from "../traces/blocks.ts";
import { gzipFault } from "../traces/lines.ts";
import { reasonOf } from "./file-fault.ts";
import { standardInput } from "./standard-input.ts";
import { Failure } from "./verb.ts";

/** The largest file that is read as a whole, in bytes. Traces are read in parts. */
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
 * A trace of any size. `use` is called with its bytes, which are read on demand.
 *
 * @throws Failure
 */
export function withTraceSource<Result>(file: string, use: (source: ByteSource) => Result): Result {
  if (file === "-") return undamaged(file, () => use(standardInput()));
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
    const fault = gzipFault(error, name(file));
    throw fault === undefined ? error : new Failure([fault]);
  }
}

function bytesOf(file: string): Uint8Array {
  if (file !== "-") return readFile(file);
  const source = standardInput();
  if (source.size > mostBytes) throw tooLarge("standard input");
  return source.read(0, source.size);
}

/**
 * As `readInput`, for binary files.
 *
 * @param openedAs the name by which this process opens it, where messages have another
 * @throws Failure
 */
export function readBytes(file: string, openedAs = file): Uint8Array {
  return readFile(file, openedAs);
}

function name(file: string): string {
  return file === "-" ? "standard input" : file;
}

function readFile(file: string, openedAs = file): Uint8Array {
  const fd = openRegular(file, openedAs);
  try {
    if (fstatSync(fd).size > mostBytes) throw tooLarge(file);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure([diagnostic("P0901", `${file} cannot be read: ${reasonOf(error)}`)]);
  } finally {
    closeSync(fd);
  }
}

function openRegular(file: string, openedAs = file): number {
  let fd: number;
  try {
    // O_NONBLOCK: opening a fifo without a writer would block for ever.
    fd = openSync(openedAs, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw new Failure([diagnostic("P0901", `${file} cannot be read: ${reasonOf(error)}`)]);
  }
  noteFile(fd, "input");
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

function tooLarge(file: string): Failure {
  return new Failure([diagnostic("P0904", `${file} has more than ${mostBytes >> 20} MiB`)]);
}
