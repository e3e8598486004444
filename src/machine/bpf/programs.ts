/** BPF programs: load, test-run, inspect. */

import type { ProgramType } from "../../abi/bpf-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { Attributes, BpfError, bpf, nameAt, objectInfo } from "./command.ts";
import { LogBuffer, logLevels, VerifierError } from "./verifier-log.ts";

export interface ProgramDescription {
  readonly type: ProgramType;
  /** `struct bpf_insn[]`. */
  readonly instructions: Uint8Array;
  readonly flags?: number;
  /** Some helpers and kernel functions require "GPL". */
  readonly licence: string;
  /** Truncated to 15 characters. */
  readonly name?: string;
  /** Debug information: a BTF object and records for functions and source lines. */
  readonly debugging?:
    | {
        readonly btf: number;
        /** `struct bpf_func_info[]` and `struct bpf_line_info[]`. */
        readonly functions: Uint8Array;
        readonly lines: Uint8Array;
      }
    | undefined;
}

const functionInfoSize = 8;
const lineInfoSize = 16;

/** The same as libbpf (PROG_LOAD_ATTEMPTS). */
const mostAttempts = 5;

/** Every attempt was interrupted by a signal, so the verifier's decision is unknown. */
export class InterruptedError extends BpfError {
  override readonly name = "InterruptedError";

  constructor(operation: string) {
    super(operation, errno.EAGAIN, `interrupted by signals ${mostAttempts} times; nothing was refused`);
  }
}

/**
 * Retries a load. The verifier returns EAGAIN when a signal is pending (kernel/bpf/verifier.c, do_check), which says
 * nothing about the program; when the call returns, the signal has been delivered. Throws an InterruptedError after
 * `mostAttempts`.
 */
export function againWhileInterrupted(attempt: () => number): number {
  for (let attempts = 0; attempts < mostAttempts; attempts++) {
    const result = attempt();
    if (result !== -errno.EAGAIN) return result;
  }
  throw new InterruptedError("loading the program");
}

function load(description: ProgramDescription, level: number, log: LogBuffer | undefined): number {
  const { type, instructions, flags = 0, name, debugging } = description;
  const licence = new TextEncoder().encode(`${description.licence}\0`);
  const attributes = new Attributes(128)
    .word(0, type)
    .word(4, instructions.length / 8)
    .address(8, instructions)
    .address(16, licence)
    .word(44, flags);
  if (log !== undefined) attributes.word(24, level).word(28, log.bytes.length).address(32, log.bytes);
  if (name !== undefined) attributes.name(48, name);
  if (debugging !== undefined) {
    const { btf, functions, lines } = debugging;
    attributes
      .word(72, btf)
      .word(76, functionInfoSize)
      .address(80, functions)
      .word(88, functions.length / functionInfoSize);
    attributes
      .word(92, lineInfoSize)
      .address(96, lines)
      .word(104, lines.length / lineInfoSize);
  }
  return againWhileInterrupted(() => bpf("loadProgram", attributes));
}

/**
 * Loads a program and returns its descriptor. Throws a VerifierError with the whole log if the verifier refuses it, an
 * InterruptedError if signals interrupted every attempt.
 */
export function loadProgram(description: ProgramDescription): number {
  // Without a log first: writing one costs more than verifying.
  const descriptor = load(description, 0, undefined);
  if (descriptor >= 0) return descriptor;
  const log = new LogBuffer();
  const again = load(description, logLevels.failure, log);
  if (again >= 0) return again;
  throw new VerifierError("loading the program", -again, log.text());
}

/**
 * Loads a program and returns the verifier's log at `logLevels` (a sum). Throws as `loadProgram`; ENOSPC if the log
 * exceeds `size` bytes, on kernels before 6.4.
 */
export function loadWithLog(
  description: ProgramDescription,
  level: number,
  size?: number,
): { readonly descriptor: number; readonly log: string } {
  const log = new LogBuffer(size);
  const descriptor = load(description, level, log);
  if (descriptor < 0) throw new VerifierError("loading the program", -descriptor, log.text());
  return { descriptor, log: log.text() };
}

/** Runs a BPF_PROG_TYPE_SYSCALL program once on a context, which it may change. Returns the low 32 bits of R0. */
export class TestRun {
  readonly #attributes: Attributes;
  readonly context: Uint8Array;

  constructor(program: number, context: Uint8Array) {
    this.context = context;
    this.#attributes = new Attributes(80).word(0, program).word(40, context.length).address(48, context);
  }

  run(): number {
    const result = bpf("testRun", this.#attributes);
    if (result < 0) throw new BpfError("running the program", -result);
    return this.#attributes.view.getUint32(4, true);
  }
}

/** A program's description (`struct bpf_prog_info`). */
export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  /** A digest of the instructions: 8 bytes in hexadecimal. */
  readonly tag: string;
  readonly name: string;
  /** Bytes after the verifier's rewriting, and of native code (0: not compiled). */
  readonly translatedSize: number;
  readonly nativeSize: number;
  readonly maps: number;
  /** The id of the BTF object; 0 if there is none. */
  readonly btf: number;
  /** The number of line records that remain. */
  readonly lines: number;
  /** The same for native code; 0 without permission to see kernel addresses. */
  readonly nativeLines: number;
  /** The number of instructions that the verifier walked (Linux 5.16). */
  readonly verifiedInstructions: number;
}

export function programInfo(descriptor: number): ProgramInfo {
  const info = objectInfo(descriptor, 232);
  const word = (offset: number) => info.getUint32(offset, true);
  return {
    type: word(0),
    id: word(4),
    tag: Buffer.from(info.buffer, 8, 8).toString("hex"),
    name: nameAt(info, 64),
    nativeSize: word(16),
    translatedSize: word(20),
    maps: word(52),
    btf: word(128),
    lines: word(148),
    nativeLines: word(168),
    verifiedInstructions: word(216),
  };
}
