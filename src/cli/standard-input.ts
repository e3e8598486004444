/**
 * Standard input as bytes at any offset, which a pipe does not have: the readers of traces look at the beginning first, and
 * read strace's output twice. What does not fit into a small part of memory goes to a temporary file without a name.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diagnostic } from "../diagnostics/catalogue.ts";
import { noteFile } from "../machine/inputs.ts";
import { type ByteSource, sourceOf, sourceOfFile } from "../traces/blocks.ts";
import { codeOf, reasonOf } from "./file-fault.ts";
import { Failure } from "./verb.ts";

const descriptor = 0;
/** Bytes that stay in memory. */
const mostHeld = 8 << 20;
const chunkSize = 1 << 16;

let source: ByteSource | undefined;

/**
 * It can be read once, and a verb may look at it before it knows what it is: each call gives the same bytes.
 *
 * @throws Failure
 */
export function standardInput(): ByteSource {
  noteFile(descriptor, "input");
  source ??= fileSource() ?? spooled();
  return source;
}

/** A source for a file that is standard input from its beginning on. */
function fileSource(): ByteSource | undefined {
  try {
    const stat = fstatSync(descriptor);
    const isAtStart = /^pos:\s*0$/m.test(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"));
    return stat.isFile() && isAtStart ? sourceOfFile(descriptor, stat.size) : undefined;
  } catch {
    return undefined;
  }
}

function spooled(): ByteSource {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const part = readPart(Buffer.allocUnsafe(chunkSize));
    if (part.length === 0) return sourceOf(Buffer.concat(parts, total));
    parts.push(part);
    total += part.length;
    if (total > mostHeld) return inFile(parts);
  }
}

function inFile(parts: readonly Uint8Array[]): ByteSource {
  const folder = tmpdir();
  let file: number | undefined;
  try {
    file = openNameless(folder);
    let size = 0;
    for (const part of parts) size += writeWhole(file, part);
    // One buffer for all: a new one for each part stays in memory until the next garbage collection.
    const buffer = Buffer.allocUnsafe(chunkSize);
    for (let part = readPart(buffer); part.length > 0; part = readPart(buffer)) size += writeWhole(file, part);
    return sourceOfFile(file, size);
  } catch (error) {
    if (file !== undefined) closeSync(file);
    if (error instanceof Failure) throw error;
    const what = `standard input has more than ${mostHeld >> 20} MiB, and ${folder} cannot hold them: ${reasonOf(error)}`;
    throw new Failure([diagnostic("P0904", what, { help: "give the file's name, or another folder in TMPDIR" })]);
  }
}

/** No other process can open it, and it ends with this one. */
function openNameless(folder: string): number {
  const own = mkdtempSync(join(folder, "portcullis-"));
  try {
    return openSync(join(own, "input"), "wx+", 0o600);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function writeWhole(file: number, bytes: Uint8Array): number {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done);
  return done;
}

/** @returns the beginning of `buffer` that was filled, empty at the end of the input */
function readPart(buffer: Buffer): Uint8Array {
  for (;;) {
    try {
      return buffer.subarray(0, readSync(descriptor, buffer));
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") {
        throw new Failure([diagnostic("P0901", `standard input cannot be read: ${reasonOf(error)}`)]);
      }
      // Another process made the pipe non-blocking: sleep instead of a busy wait.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
