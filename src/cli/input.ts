/** Reads a file that somebody names: traces, case files. Directories, fifos, devices, other encodings: an answer each. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { Failure } from "./verb.ts";

/** A trace of 800,000 calls has as much, and takes some 1.2 GiB of memory and 20 s to judge. */
const mostBytes = 64 << 20;

/**
 * @param file "-" reads standard input, which may be a pipe; a file may not.
 * @throws Failure
 */
export function readInput(file: string): string {
  const bytes = file === "-" ? readAll(0, "standard input", mostBytes) : readFile(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Failure([diagnostic("P0903", `${name(file)} is not UTF-8`)]);
  }
}

/**
 * As `readInput`, for what is no text.
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
  let fd: number;
  try {
    // O_NONBLOCK: opening a fifo that nobody writes to would wait for ever.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw new Failure([diagnostic("P0901", `${file} cannot be read: ${reason(error)}`)]);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      const what = stat.isDirectory() ? "a directory" : stat.isFIFO() ? "a fifo" : "no regular file";
      throw new Failure([
        diagnostic(
          "P0902",
          `${file} is ${what}`,
          stat.isDirectory() ? {} : { help: "a pipe is read with - from standard input" },
        ),
      ]);
    }
    if (stat.size > mostBytes) throw tooLarge(file);
    return readAll(fd, file, mostBytes);
  } finally {
    closeSync(fd);
  }
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
        // A pipe that somebody else made non-blocking: wait a little, not busily.
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
  ELOOP: "its symbolic links go round in circles",
  ENAMETOOLONG: "its name is too long",
  ENOTDIR: "a part of its path is no directory",
};

function reason(error: unknown): string {
  const code = codeOf(error);
  return sentences[code] ?? code;
}

/** The code of a system call's error; an argument that Node refuses (a NUL in a path) has one, too. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
