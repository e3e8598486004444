/**
 * The file of a recording. It is locked against another recording, and it only grows: each write is one whole block, and
 * what a failed write has left is removed, so that the file can be read at any time up to its last block.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { native } from "../machine/native.ts";
import {
  type Compression,
  isInBlocks,
  nextCompression,
  packBlock,
  readBlocks,
  sourceOfFile,
  usualText,
} from "./blocks.ts";

/** The file cannot be recorded into; nothing in it was changed. */
export class TraceFileError extends Error {
  readonly help: string | undefined;
  constructor(message: string, help?: string) {
    super(message);
    this.help = help;
  }
}

/** LOCK_EX | LOCK_NB of flock(2). */
const exclusively = 2 | 4;

const sentences: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "this user's quota is used up",
  EFBIG: "it would be larger than a file may be",
  EACCES: "permission denied",
  ENOENT: "its folder does not exist",
  EISDIR: "it is a directory",
  EROFS: "the file system is read-only",
  ENXIO: "it is a fifo without a reader",
};

function fileFault(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  return sentences[code] ?? code;
}

/** To record into a new file, to add a recording to a file that has some, or to write lines of other traces. */
type Purpose = "record" | "append" | "write";

/** Only `record` has --append. */
const remedies = { record: "--append adds to it; -o names another", write: "choose another file with -o" } as const;

export class TraceFile {
  readonly name: string;
  readonly #openedAs: string;
  readonly #descriptor: number;
  readonly #isRegular: boolean;
  /** The size before this recording; 0 if the file was empty or new. */
  readonly #before: number;
  /** Bytes that this recording has written. */
  #written = 0;
  #fault: string | undefined;
  /** The bytes of the next blocks: a recording would make garbage of an array for each part. */
  #text = Buffer.alloc(1 << 16);
  #pending = 0;
  #compression: Compression = "small";

  private constructor(
    { name, openedAs }: { readonly name: string; readonly openedAs: string },
    descriptor: number,
    isRegular: boolean,
  ) {
    this.name = name;
    this.#openedAs = openedAs;
    this.#descriptor = descriptor;
    this.#isRegular = isRegular;
    this.#before = isRegular ? fstatSync(descriptor).size : 0;
  }

  /**
   * @param openedAs the name by which this process opens it, where messages have another
   * @throws TraceFileError, NativeUnavailableError
   */
  static open(name: string, purpose: Purpose, openedAs = name): TraceFile {
    // Elsewhere this name means a standard stream, to which the command writes as well.
    if (name === "-") throw new TraceFileError("a trace is not written to standard output", "name a file with -o");
    const descriptor = openFile(name, openedAs);
    try {
      const stat = fstatSync(descriptor);
      if (!stat.isFile() && !stat.isCharacterDevice()) throw new TraceFileError(`${name} is not a regular file`);
      if (stat.isFile()) prepareFile(name, descriptor, stat, purpose);
      return new TraceFile({ name, openedAs }, descriptor, stat.isFile());
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  get written(): number {
    return this.#written;
  }

  /** Why the recording ended early; undefined while it has not. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** The calls that this recording has written; reads them from the file. */
  countCalls(): number {
    if (!this.#isRegular) return 0;
    const whole = sourceOfFile(this.#descriptor, fstatSync(this.#descriptor).size);
    const read = (offset: number, length: number) => whole.read(this.#before + offset, length);
    let calls = 0;
    for (const part of readBlocks({ size: Math.max(0, whole.size - this.#before), read })) {
      if (part.kind === "block") calls += part.text.toString("latin1").split('"kind":"call"').length - 1;
    }
    return calls;
  }

  /** Bytes that wait for `flush`. */
  get pending(): number {
    return this.#pending;
  }

  /** Adds whole lines to the next block; copies them. */
  add(lines: string | Uint8Array): void {
    if (this.#fault !== undefined || lines.length === 0) return;
    const bytes = typeof lines === "string" ? Buffer.from(lines) : lines;
    const end = this.#pending + bytes.length;
    if (end > this.#text.length) this.#text = Buffer.concat([this.#text], Math.max(end, 2 * this.#text.length));
    this.#text.set(bytes, this.#pending);
    this.#pending = end;
  }

  /** Writes what was added in blocks, up to the first write that fails. */
  flush(): void {
    const text = this.#text.subarray(0, this.#pending);
    this.#pending = 0;
    for (let at = 0; at < text.length && this.#fault === undefined; ) {
      const end = blockEnd(text, at);
      this.#writeBlock(text.subarray(at, end));
      at = end;
    }
  }

  #writeBlock(text: Buffer): void {
    const block = packBlock(text, this.#compression);
    this.#compression = nextCompression(this.#compression, text.length, block.length);
    let done = 0;
    try {
      while (done < block.length) done += writeSync(this.#descriptor, block, done);
      this.#written += block.length;
    } catch (error) {
      this.#fault = fileFault(error);
      this.#retract(done);
    }
  }

  /** Closes the file of a recording without calls, and removes it if this object has created it. */
  discard(): void {
    try {
      if (this.#isRegular) ftruncateSync(this.#descriptor, this.#before);
      if (this.#isRegular && this.#before === 0) unlinkSync(this.#openedAs);
    } catch {
      // It stays with a header that has no calls.
    }
    closeSync(this.#descriptor);
  }

  /** Describes a change that another process has made to the file; undefined without one. */
  close(): string | undefined {
    const found = this.#isRegular ? this.#whatChanged() : undefined;
    closeSync(this.#descriptor);
    return found;
  }

  #retract(count: number): void {
    if (!this.#isRegular || count === 0) return;
    try {
      ftruncateSync(this.#descriptor, fstatSync(this.#descriptor).size - count);
    } catch {
      // A reader sees a block that was cut short.
    }
  }

  #whatChanged(): string | undefined {
    const own = fstatSync(this.#descriptor);
    if (own.size < this.#written) return `another process has shortened ${this.name}: a part of the recording is lost`;
    let named: Stats | undefined;
    try {
      named = statSync(this.#openedAs);
    } catch {
      named = undefined;
    }
    if (named?.ino === own.ino && named.dev === own.dev) return undefined;
    const copy = `${this.name}.${process.pid}`;
    try {
      copyTo(copy, this.#descriptor, own.size);
      return `another process has removed or replaced ${this.name}: the recording is in ${copy}`;
    } catch (error) {
      return `another process has removed or replaced ${this.name}, and ${copy} cannot be written: ${fileFault(error)}`;
    }
  }
}

/** The end of the last line that fits into a block, or of the first one if none does. */
function blockEnd(text: Buffer, from: number): number {
  if (text.length - from <= usualText) return text.length;
  const last = text.lastIndexOf(10, from + usualText - 1);
  const end = last >= from ? last : text.indexOf(10, from);
  return end < 0 ? text.length : end + 1;
}

function openFile(name: string, openedAs: string): number {
  const { O_RDWR, O_CREAT, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // Readable by its owner alone, because arguments and environments can be secret.
    return openSync(openedAs, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY, 0o600);
  } catch (error) {
    throw new TraceFileError(`${name} cannot be written: ${fileFault(error)}`);
  }
}

function prepareFile(name: string, descriptor: number, { size }: Stats, purpose: Purpose): void {
  if (native().syscall(callNumber("flock"), descriptor, exclusively) !== 0) {
    throw new TraceFileError(`another process is recording into ${name}`, "choose another file with -o");
  }
  if (size === 0) return;
  if (purpose !== "append") {
    throw new TraceFileError(`${name} exists, and a recording replaces nothing`, remedies[purpose]);
  }
  const source = sourceOfFile(descriptor, size);
  if (!isInBlocks(source)) {
    throw new TraceFileError(
      `${name} is not a recording of portcullis`,
      "`portcullis trace merge -o NEW FILE` makes one of other traces",
    );
  }
  for (const part of readBlocks(source)) if (part.kind === "truncated") mendEnd(descriptor, part.offset, part.text);
}

/** The lines of a block that was cut short as a whole block, so that another can follow. */
function mendEnd(descriptor: number, offset: number, text: Buffer): void {
  ftruncateSync(descriptor, offset);
  if (text.length > 0) writeSync(descriptor, packBlock(text));
}

function copyTo(name: string, from: number, size: number): void {
  const source = sourceOfFile(from, size);
  const to = openSync(name, "wx", 0o600);
  try {
    for (let at = 0; at < size; at += 1 << 20) writeSync(to, source.read(at, 1 << 20));
  } finally {
    closeSync(to);
  }
}
