/**
 * bpf(2), one command at a time. `union bpf_attr` and its numbers are those of include/uapi/linux/bpf.h (Linux 6.12); fields
 * that an older kernel lacks are left 0, which it accepts.
 */
import { callNumber } from "../call-numbers.ts";
import { errnoName } from "../errno.ts";
import { native } from "../native.ts";

/** `enum bpf_cmd`, as far as it is used. */
const commands = {
  createMap: 0,
  lookUp: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  loadProgram: 5,
  testRun: 10,
  objectInfo: 15,
  loadBtf: 18,
  freeze: 22,
} as const;

export type BpfCommand = keyof typeof commands;

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

/**
 * The attributes of a command: fields at their offsets, and addresses of buffers, which are kept alive as long as this is.
 */
export class Attributes {
  readonly view: DataView;
  readonly #kept: ArrayBufferView[] = [];

  constructor(size: number) {
    this.view = new DataView(new ArrayBuffer(size));
  }

  word(offset: number, value: number): this {
    this.view.setUint32(offset, value, true);
    return this;
  }

  address(offset: number, buffer: ArrayBufferView): this {
    // An empty buffer has no address of its own.
    if (buffer.byteLength > 0) this.view.setBigUint64(offset, native().addressOf(buffer), true);
    this.#kept.push(buffer);
    return this;
  }

  /** At most 15 characters: BPF_OBJ_NAME_LEN, with its end. The kernel takes letters, digits, `_` and `.` only. */
  name(offset: number, name: string): this {
    const plain = name.replaceAll(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
    new TextEncoder().encodeInto(plain, new Uint8Array(this.view.buffer, offset, 15));
    return this;
  }
}

/** The kernel's result, a negative errno included. */
export function bpf(command: BpfCommand, attributes: Attributes): number {
  return native().syscall(callNumber("bpf"), commands[command], attributes.view, attributes.view.byteLength);
}

/** The result, if it is none of the kernel's failures. Throws a BpfError. */
export function succeed(operation: string, result: number): number {
  if (result < 0) throw new BpfError(operation, -result);
  return result;
}

/** `struct bpf_prog_info` or `struct bpf_map_info` of what a descriptor stands for, as far as `size` goes. */
export function objectInfo(descriptor: number, size: number): DataView {
  const info = new DataView(new ArrayBuffer(size));
  const attributes = new Attributes(16).word(0, descriptor).word(4, size).address(8, info);
  succeed("asking for an object's info", bpf("objectInfo", attributes));
  return info;
}

/** A name of 16 bytes at most, which ends with a NUL. */
export function nameAt(info: DataView, offset: number): string {
  const bytes = new Uint8Array(info.buffer, info.byteOffset + offset, 16);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
}
