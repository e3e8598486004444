/**
 * bpf(2), typed: maps, programs and test runs. `union bpf_attr` and its numbers are those of include/uapi/linux/bpf.h
 * (Linux 6.12); fields that an older kernel lacks are left 0, which it accepts.
 */

import { hostArchitecture } from "./architecture.ts";
import { callByName } from "./calls.ts";
import { errnoName } from "./errno.ts";
import { native } from "./native.ts";

const commands = { mapCreate: 0, mapLookup: 1, mapUpdate: 2, programLoad: 5, programTestRun: 10, btfLoad: 18 } as const;

/** `enum bpf_map_type`, as far as it is used. */
export const mapTypes = { hash: 1, array: 2, ringBuffer: 27 } as const;
/** `enum bpf_prog_type`, as far as it is used. */
export const programTypes = { socketFilter: 1, systemCall: 31 } as const;
/** `BPF_F_…` of program loading. */
export const programFlags = { sleepable: 1 << 4 } as const;

/** The verifier's log is cut at the front where it is longer than this, so that its end, which tells, is there. */
const logSize = 1 << 20;
/** BPF_LOG_LEVEL1. */
const logLevel = 1;

/** bpf(2) said no. */
export class BpfError extends Error {
  override readonly name: string = "BpfError";
  readonly operation: string;
  readonly errno: number;

  constructor(operation: string, errno: number, detail = "") {
    super(`${operation}: ${errnoName(errno) ?? errno}${detail && `: ${detail}`}`);
    this.operation = operation;
    this.errno = errno;
  }
}

/** The verifier refused a program. The message has its telling line; `log` is all that it said. */
export class VerifierError extends BpfError {
  override readonly name = "VerifierError";
  readonly log: string;

  constructor(errno: number, log: string) {
    super("loading the program", errno, tellingLine(log));
    this.log = log;
  }
}

/** The last line that is no statistics: there the verifier says what is wrong. */
function tellingLine(log: string): string {
  const lines = log.trimEnd().split("\n");
  return lines.filter((line) => !/^(processed|verification time|stack depth|mark_precise)/.test(line)).at(-1) ?? "";
}

function bpf(command: number, attributes: DataView, buffers: readonly ArrayBufferView[] = []): number {
  const number = callByName("bpf")?.number[hostArchitecture()!];
  if (number === undefined) throw new BpfError("bpf(2)", 38);
  const result = native().syscall(number, command, attributes, attributes.byteLength);
  // The attributes hold addresses of these; they must live until the kernel has read them.
  void buffers;
  return result;
}

export interface MapDescription {
  readonly type: (typeof mapTypes)[keyof typeof mapTypes];
  readonly keySize: number;
  readonly valueSize: number;
  readonly capacity: number;
  /** What lies in keys and values: a BTF object (`loadBtf`) and the numbers of two of its types. */
  readonly btf?: { readonly descriptor: number; readonly key: number; readonly value: number };
}

/** Loads type information and gives its descriptor. Throws a VerifierError with the whole log where it is refused. */
export function loadBtf(bytes: Uint8Array): number {
  const log = new Uint8Array(logSize);
  const attributes = new DataView(new ArrayBuffer(32));
  attributes.setBigUint64(0, native().addressOf(bytes), true);
  attributes.setBigUint64(8, native().addressOf(log), true);
  attributes.setUint32(16, bytes.length, true);
  attributes.setUint32(20, log.length, true);
  attributes.setUint32(24, logLevel, true);
  const result = bpf(commands.btfLoad, attributes, [bytes, log]);
  if (result >= 0) return result;
  const end = log.indexOf(0);
  throw new VerifierError(-result, new TextDecoder().decode(log.subarray(0, end < 0 ? log.length : end)));
}

/** A map, held by a descriptor that is closed on exec. Throws a BpfError. */
export class BpfMap {
  readonly descriptor: number;
  readonly description: MapDescription;

  constructor(description: MapDescription) {
    const attributes = new DataView(new ArrayBuffer(72));
    attributes.setUint32(0, description.type, true);
    attributes.setUint32(4, description.keySize, true);
    attributes.setUint32(8, description.valueSize, true);
    attributes.setUint32(12, description.capacity, true);
    const { btf } = description;
    if (btf !== undefined) {
      attributes.setUint32(48, btf.descriptor, true);
      attributes.setUint32(52, btf.key, true);
      attributes.setUint32(56, btf.value, true);
    }
    const result = bpf(commands.mapCreate, attributes);
    if (result < 0) throw new BpfError("creating a map", -result);
    this.descriptor = result;
    this.description = description;
  }

  /** The value behind a key, or undefined where there is none. */
  get(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.description.valueSize);
    const result = this.#element(commands.mapLookup, key, value);
    if (result === -2) return undefined;
    if (result < 0) throw new BpfError("reading a map", -result);
    return value;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const result = this.#element(commands.mapUpdate, key, value);
    if (result < 0) throw new BpfError("writing a map", -result);
  }

  #element(command: number, key: Uint8Array, value: Uint8Array): number {
    if (key.length !== this.description.keySize || value.length !== this.description.valueSize)
      throw new RangeError(
        `this map has keys of ${this.description.keySize} and values of ${this.description.valueSize} bytes`,
      );
    const attributes = new DataView(new ArrayBuffer(32));
    attributes.setUint32(0, this.descriptor, true);
    attributes.setBigUint64(8, native().addressOf(key), true);
    attributes.setBigUint64(16, native().addressOf(value), true);
    return bpf(command, attributes, [key, value]);
  }
}

export interface ProgramDescription {
  readonly type: (typeof programTypes)[keyof typeof programTypes];
  readonly instructions: Uint8Array;
  readonly flags?: number;
  /** Helpers and kernel functions that are marked so want "GPL". */
  readonly licence: string;
}

/** Loads a program and gives its descriptor. Throws a VerifierError with the whole log where the verifier refuses it. */
export function loadProgram(description: ProgramDescription): number {
  const { instructions } = description;
  const licence = new TextEncoder().encode(`${description.licence}\0`);
  const attempt = (log: Uint8Array | undefined): number => {
    const attributes = new DataView(new ArrayBuffer(128));
    attributes.setUint32(0, description.type, true);
    attributes.setUint32(4, instructions.length / 8, true);
    attributes.setBigUint64(8, native().addressOf(instructions), true);
    attributes.setBigUint64(16, native().addressOf(licence), true);
    if (log !== undefined) {
      attributes.setUint32(24, logLevel, true);
      attributes.setUint32(28, log.length, true);
      attributes.setBigUint64(32, native().addressOf(log), true);
    }
    attributes.setUint32(44, description.flags ?? 0, true);
    return bpf(
      commands.programLoad,
      attributes,
      log === undefined ? [instructions, licence] : [instructions, licence, log],
    );
  };
  // Without a log first: writing one costs more than verifying.
  const descriptor = attempt(undefined);
  if (descriptor >= 0) return descriptor;
  const log = new Uint8Array(logSize);
  const again = attempt(log);
  if (again >= 0) return again;
  const end = log.indexOf(0);
  throw new VerifierError(-again, new TextDecoder().decode(log.subarray(0, end < 0 ? log.length : end)));
}

/** Runs a BPF_PROG_TYPE_SYSCALL program once on a context, which it may change. Gives R0's low 32 bits. */
export class TestRun {
  readonly #attributes = new DataView(new ArrayBuffer(80));
  readonly context: Uint8Array;

  constructor(program: number, context: Uint8Array) {
    this.context = context;
    this.#attributes.setUint32(0, program, true);
    this.#attributes.setUint32(40, context.length, true);
    this.#attributes.setBigUint64(48, native().addressOf(context), true);
  }

  run(): number {
    const result = bpf(commands.programTestRun, this.#attributes, [this.context]);
    if (result < 0) throw new BpfError("running the program", -result);
    return this.#attributes.getUint32(4, true);
  }
}
