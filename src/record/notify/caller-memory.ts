/**
 * Copies the memory behind a waiting caller's pointers, page by page, so that a text at the end of mapped memory is
 * whole. Another thread can change the memory between this copy and the kernel's; a recording enforces nothing, and its
 * header mentions the race.
 */
import { addressBytes, pathBytes } from "../../ir/observation.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { errno } from "../../linux/errno-numbers.ts";
import { native } from "../../linux/native.ts";
import { structures } from "../../linux/pointees.ts";
import { messageHeader } from "../../linux/socket-address.ts";
import type { MemoryRead } from "../memory-reads.ts";

const pageSize = 4096;
/** Bytes of the first read of a text; most texts are shorter. */
const firstRead = 256;
/** The bounds of a list of texts. */
const mostEntries = 512;
const mostBytes = 1 << 16;

/** Receives the result of a read: one of `absent`, `failed` and `begin`, and after `begin` its entries. */
export interface Sink {
  absent(): void;
  failed(errno: number): void;
  begin(isCut: boolean, count: number): void;
  entry(bytes: Uint8Array, isCut: boolean): void;
}

export class CallerMemory {
  readonly #buffer = Buffer.alloc(pathBytes);
  readonly #start = native().addressOf(this.#buffer);
  readonly #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  /** Each entry is a `struct iovec`. */
  readonly #local = new BigUint64Array(2);
  readonly #remote = new BigUint64Array(2);

  read(tid: number, { pointee, register, lengthRegister }: MemoryRead, registers: BigUint64Array, sink: Sink): void {
    const address = registers[register]!;
    if (address === 0n) {
      sink.absent();
      return;
    }
    switch (pointee.is) {
      case "path":
        this.#text(tid, address, pathBytes, sink);
        return;
      case "string":
        this.#text(tid, address, pointee.bytes, sink);
        return;
      case "strings":
        this.#list(tid, address, sink);
        return;
      case "address":
        this.#address(tid, address, Number(BigInt.asIntN(32, registers[lengthRegister!]!)), sink);
        return;
      case "message":
        this.#message(tid, address, sink);
        return;
      case "structure": {
        const { minimum, size } = structures[pointee.structure];
        const given = lengthRegister === undefined ? BigInt(minimum) : registers[lengthRegister]!;
        const length = given > BigInt(size) ? size : Number(given);
        this.#whole(this.#copy(tid, address, length, 0), length, sink);
        return;
      }
    }
  }

  #whole(copied: number, length: number, sink: Sink): void {
    if (copied < length) {
      sink.failed(copied < 0 ? -copied : errno.EFAULT);
      return;
    }
    sink.begin(false, 1);
    sink.entry(this.#buffer.subarray(0, length), false);
  }

  #text(tid: number, address: bigint, most: number, sink: Sink): void {
    const length = this.#copyText(tid, address, most);
    if (length < 0 && length !== -errno.ENAMETOOLONG) {
      sink.failed(-length);
      return;
    }
    sink.begin(false, 1);
    sink.entry(this.#buffer.subarray(0, length < 0 ? most : length), length < 0);
  }

  #address(tid: number, address: bigint, length: number, sink: Sink): void {
    if (length < 0 || length > addressBytes) {
      sink.failed(errno.EINVAL);
      return;
    }
    this.#whole(length === 0 ? 0 : this.#copy(tid, address, length, 0), length, sink);
  }

  #message(tid: number, address: bigint, sink: Sink): void {
    const copied = this.#copy(tid, address, messageHeader.size, 0);
    if (copied < messageHeader.size) {
      sink.failed(copied < 0 ? -copied : errno.EFAULT);
      return;
    }
    const name = this.#view.getBigUint64(messageHeader.name, true);
    const length = this.#view.getInt32(messageHeader.nameLength, true);
    if (name === 0n || length === 0) sink.absent();
    else this.#address(tid, name, Math.min(length, addressBytes), sink);
  }

  #list(tid: number, address: bigint, sink: Sink): void {
    const entries: { readonly bytes: Uint8Array; readonly isCut: boolean }[] = [];
    let total = 0;
    let isCut = false;
    for (let count = 0; ; count++) {
      if (count === mostEntries || total > mostBytes) {
        isCut = true;
        break;
      }
      const copied = this.#copy(tid, address + BigInt(8 * count), 8, 0);
      if (copied < 8) {
        sink.failed(copied < 0 ? -copied : errno.EFAULT);
        return;
      }
      const pointer = this.#view.getBigUint64(0, true);
      if (pointer === 0n) break;
      const length = this.#copyText(tid, pointer, pathBytes);
      if (length < 0 && length !== -errno.ENAMETOOLONG) {
        sink.failed(-length);
        return;
      }
      const bytes = this.#buffer.subarray(0, length < 0 ? pathBytes : length);
      entries.push({ bytes: Uint8Array.from(bytes), isCut: length < 0 });
      total += bytes.length;
    }
    sink.begin(isCut, entries.length);
    for (const { bytes, isCut: isShort } of entries) sink.entry(bytes, isShort);
  }

  /** The length without the NUL; -ENAMETOOLONG if the buffer is full and has no NUL. */
  #copyText(tid: number, address: bigint, most: number): number {
    for (let done = 0; done < most; ) {
      const toPageEnd = pageSize - Number((address + BigInt(done)) & BigInt(pageSize - 1));
      const wanted = Math.min(most - done, toPageEnd, done === 0 ? firstRead : pageSize);
      const copied = this.#copy(tid, address + BigInt(done), wanted, done);
      if (copied <= 0) return copied < 0 ? copied : -errno.EFAULT;
      const end = this.#buffer.indexOf(0, done);
      if (end >= 0 && end < done + copied) return end;
      done += copied;
    }
    return -errno.ENAMETOOLONG;
  }

  /** Returns the number of bytes, or a negative errno. */
  #copy(tid: number, address: bigint, length: number, into: number): number {
    this.#local[0] = this.#start + BigInt(into);
    this.#local[1] = BigInt(length);
    this.#remote[0] = address;
    this.#remote[1] = BigInt(length);
    return native().syscall(callNumber("process_vm_readv"), tid, this.#local, 1, this.#remote, 1, 0);
  }
}
