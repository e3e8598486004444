/**
 * bpf(2), one command at a time. `union bpf_attr` and its numbers are those of include/uapi/linux/bpf.h (Linux 6.12);
 * fields that an older kernel lacks stay 0, which it accepts.
 */
import { callNumber } from "../../abi/call-numbers.ts";
import { errnoName } from "../../abi/errno.ts";
import { native } from "../native.ts";

/** The used part of `enum bpf_cmd`. */
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

/** bpf(2) failed. */
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
 * The attributes of a command: fields at their offsets, and addresses of buffers, which stay alive as long as this
 * object.
 */
export class Attributes {
  readonly view: DataView;
  readonly #buffers: ArrayBufferView[] = [];

  constructor(size: number) {
    this.view = new DataView(new ArrayBuffer(size));
  }

  word(offset: number, value: number): this {
    this.view.setUint32(offset, value, true);
    return this;
  }

  address(offset: number, buffer: ArrayBufferView): this {
    // An empty buffer has no address.
    if (buffer.byteLength > 0) this.view.setBigUint64(offset, native().addressOf(buffer), true);
    this.#buffers.push(buffer);
    return this;
  }

  /**
   * At most 15 characters: BPF_OBJ_NAME_LEN includes the final NUL. The kernel accepts only letters, digits, `_` and
   * `.`.
   */
  name(offset: number, name: string): this {
    const plain = name.replaceAll(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
    new TextEncoder().encodeInto(plain, new Uint8Array(this.view.buffer, offset, 15));
    return this;
  }
}

/** Returns the kernel's result, which can be a negative errno. */
export function bpf(command: BpfCommand, attributes: Attributes): number {
  return native().syscall(callNumber("bpf"), commands[command], attributes.view, attributes.view.byteLength);
}

/** Returns the result. Throws a BpfError if it is a negative errno. */
export function succeed(operation: string, result: number): number {
  if (result < 0) throw new BpfError(operation, -result);
  return result;
}

/** `struct bpf_prog_info` or `struct bpf_map_info` of a descriptor's object, truncated to `size`. */
export function objectInfo(descriptor: number, size: number): DataView {
  const info = new DataView(new ArrayBuffer(size));
  const attributes = new Attributes(16).word(0, descriptor).word(4, size).address(8, info);
  succeed("asking for an object's info", bpf("objectInfo", attributes));
  return info;
}

/** A NUL-terminated name of at most 16 bytes. */
export function nameAt(info: DataView, offset: number): string {
  const bytes = new Uint8Array(info.buffer, info.byteOffset + offset, 16);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
}
