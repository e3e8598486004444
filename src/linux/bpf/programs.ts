/** Programs: loaded, run for a test, looked at. */
import { Attributes, BpfError, bpf, nameAt, objectInfo } from "./command.ts";
import { LogBuffer, logLevels, VerifierError } from "./verifier-log.ts";

/** `enum bpf_prog_type`, as far as it is used. Number 33 is the kernel's own only with portcullis's patches. */
export const programTypes = { socketFilter: 1, schedulerClassifier: 3, systemCall: 31, seccomp: 33 } as const;
export type ProgramType = (typeof programTypes)[keyof typeof programTypes];
/** `BPF_F_…` of program loading. */
export const programFlags = { sleepable: 1 << 4 } as const;

export interface ProgramDescription {
  readonly type: ProgramType;
  /** `struct bpf_insn[]`. */
  readonly instructions: Uint8Array;
  readonly flags?: number;
  /** Helpers and kernel functions that are marked so want "GPL". */
  readonly licence: string;
  /** At most 15 characters are kept. */
  readonly name?: string;
  /** Names of functions and lines of source: a BTF object and records that refer to it. */
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

const eagain = 11;
/** As often as libbpf (PROG_LOAD_ATTEMPTS). */
const mostAttempts = 5;

/** Signals came each time while the verifier was at work, so nobody knows what it would have said. */
export class InterruptedError extends BpfError {
  override readonly name = "InterruptedError";

  constructor(operation: string) {
    super(operation, eagain, `interrupted by signals ${mostAttempts} times; nothing was refused`);
  }
}

/**
 * The verifier gives up with EAGAIN where a signal is pending (kernel/bpf/verifier.c, do_check), which says nothing of the
 * program. By the time that we are back here the signal has been taken, so it is tried again. Throws an
 * InterruptedError.
 */
export function againWhileInterrupted(attempt: () => number): number {
  for (let attempts = 0; attempts < mostAttempts; attempts++) {
    const result = attempt();
    if (result !== -eagain) return result;
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
 * Loads a program and gives its descriptor. Throws a VerifierError with the whole log where the verifier refuses it,
 * an InterruptedError where signals did not let it finish.
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
 * Loads a program and gives what the verifier said meanwhile (`logLevels`, added up). Throws as `loadProgram` does; ENOSPC
 * where `size` bytes do not hold the log, on kernels before 6.4.
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

/** Runs a BPF_PROG_TYPE_SYSCALL program once on a context, which it may change. Gives R0's low 32 bits. */
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

/** What the kernel tells of a program (`struct bpf_prog_info`). */
export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  /** 8 bytes in hexadecimal: a digest of the instructions. */
  readonly tag: string;
  readonly name: string;
  /** Bytes after the verifier's rewriting, and of native code (0: not compiled). */
  readonly translatedSize: number;
  readonly nativeSize: number;
  readonly maps: number;
  /** The BTF object's id; 0: none. */
  readonly btf: number;
  /** Records of lines that survived. */
  readonly lines: number;
  /** Likewise, of places in the native code; 0 for whoever may not see kernel addresses. */
  readonly nativeLines: number;
  /** Instructions that the verifier walked (Linux 5.16). */
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
