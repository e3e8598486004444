/**
 * Reads behind a waiting caller's pointers. All bytes that it reads become part of the image that the call is made with, so
 * a policy cannot judge memory that the kernel reads again.
 *
 * | read | for | not copied |
 * | --- | --- | --- |
 * | `text` | a path, a name, each of mount's four strings | |
 * | `address` | connect, bind, sendto | |
 * | `structure` | openat2's `how`, clone3's `uargs` | what pointers in it point at |
 * | `message` | sendmsg | the data (msg_iov) and what the control data say; their length is pinned |
 * | `vector` | execve's argv and envp | |
 *
 * Address 0 is read like any other, because memory can be there. A null pointer that the kernel does not read is not
 * observed: the register itself has the information and does not change (abi/null-pointers.ts). Structures that the kernel
 * also writes must not be read here, because the window is read-only (sendmmsg, recvmsg).
 */

import { copyError } from "../../../abi/copy-errors.ts";
import { pathBytes } from "../../../abi/pointees.ts";
import { messageHeader } from "../../../abi/socket-address.ts";
import { addressBytes } from "../../../ir/observation.ts";
import { native } from "../../../machine/native.ts";
import { dataLayout, notificationLayout } from "../../../machine/pinned-calls.ts";
import { type Image, ImageBuilder, type SegmentId } from "./image.ts";
import { Scratch } from "./scratch.ts";

/**
 * The errno of a row of abi/copy-errors.ts: the one with which the kernel's own copy, and so the call, would fail, or one of
 * ours.
 */
export class ObservationFailure {
  readonly errno: number;
  constructor(number: number) {
    this.errno = number;
  }
}

/** The verdicts on a call behind whose pointers a policy has read. None of them lets the call pass unpinned. */
export type ObservedVerdict = PinVerdict | RefuseVerdict | ServeVerdict | HoldVerdict | ObservationFailure;

/** Only an Observer makes one. */
export class PinVerdict {
  /** Private, so that nothing else has this type. */
  readonly #image: Image;
  readonly rooms: bigint;
  constructor(_key: typeof key, image: Image, rooms: bigint) {
    this.#image = image;
    this.rooms = rooms;
  }

  get image(): Image {
    return this.#image;
  }
}

export class RefuseVerdict {
  readonly errno: number;
  constructor(_key: typeof key, number: number) {
    this.errno = number;
  }
}

/** The call gets no response yet: it is judged again later, with memory that is read then. */
export class HoldVerdict {
  readonly holds = true;
}

/** The supervisor makes the call on the caller's behalf (../objects/): `start` returns 0 or a positive errno. */
export class ServeVerdict {
  readonly start: (notification: Uint8Array) => number;
  constructor(_key: typeof key, start: (notification: Uint8Array) => number) {
    this.start = start;
  }
}

/** Not exported, so that no other module constructs a verdict. */
const key = Symbol("verdict");

const pageSize = 4096;

export interface StructureBounds {
  /** The size of its first version; a smaller one is a `shortStructure`. */
  readonly least: number;
  /** A larger one is a `longStructure`. Default: a page, as for the kernel's callers of copy_struct_from_user(). */
  readonly most?: number;
}

export interface VectorBounds {
  /** The most strings. */
  readonly count: number;
  /** The most bytes, with the NULs. */
  readonly bytes: number;
}

export interface ObservedMessage {
  /** The destination address of the message, or null. */
  readonly name: Uint8Array | null;
  /** `msg_controllen`. */
  readonly controlLength: bigint;
}

/** The results are valid until the scratch is reset. */
export class Observer {
  readonly #notification: Uint8Array;
  readonly #scratch: Scratch;
  readonly #view: DataView;
  readonly #builder = new ImageBuilder();

  constructor(notification: Uint8Array, scratch = new Scratch()) {
    this.#notification = notification;
    this.#scratch = scratch;
    const { buffer, byteOffset, byteLength } = notification;
    this.#view = notification === scratch.notification ? scratch.view : new DataView(buffer, byteOffset, byteLength);
  }

  get number(): number {
    return this.#view.getInt32(notificationLayout.data + dataLayout.number, true);
  }

  /** The register's 64 bits. */
  argument(index: number): bigint {
    return this.#view.getBigUint64(notificationLayout.data + dataLayout.arguments + 8 * index, true);
  }

  /** A string without its NUL. `longPath` if so many bytes have no NUL. */
  text(argument: number, size = pathBytes): Uint8Array | ObservationFailure {
    const into = this.#scratch.take(size);
    const length = native().observeText(this.#notification, this.argument(argument), into);
    if (length < 0) return new ObservationFailure(-length);
    this.#builder.point(argument, this.#builder.segment(into.subarray(0, length + 1)));
    return into.subarray(0, length);
  }

  /** The kernel gets the empty string in the place of this null pointer. */
  emptyText(argument: number): void {
    this.#builder.point(argument, this.#builder.segment(new Uint8Array(1)));
  }

  /** A socket address, whose length is in another register, as a C int. */
  address(argument: number, lengthArgument: number): Uint8Array | ObservationFailure {
    const length = Number(BigInt.asIntN(32, this.argument(lengthArgument)));
    const found = this.#address(this.argument(argument), length);
    if (found instanceof ObservationFailure) return found;
    this.#builder.point(argument, found.segment);
    return found.bytes;
  }

  #address(
    address: bigint,
    length: number,
  ): { readonly bytes: Uint8Array; readonly segment: SegmentId } | ObservationFailure {
    if (length < 0 || length > addressBytes) return new ObservationFailure(copyError.addressLength);
    const bytes = this.#bytes(address, length);
    return bytes instanceof ObservationFailure ? bytes : { bytes, segment: this.#builder.segment(bytes, 8) };
  }

  /** A structure whose size is in another register (openat2). */
  structure(argument: number, sizeArgument: number, bounds: StructureBounds): Uint8Array | ObservationFailure {
    const size = this.argument(sizeArgument);
    if (size < BigInt(bounds.least)) return new ObservationFailure(copyError.shortStructure);
    if (size > BigInt(bounds.most ?? pageSize)) return new ObservationFailure(copyError.longStructure);
    return this.fixed(argument, Number(size));
  }

  /** A structure whose first 32 bits are its size, 0 for `least` (sched_copy_attr(), kernel/sched/syscalls.c). */
  selfSized(argument: number, { least, most = pageSize }: StructureBounds): Uint8Array | ObservationFailure {
    const address = this.argument(argument);
    // sched_setattr() looks at the pointer before it copies.
    if (address === 0n) return new ObservationFailure(copyError.attributesPointer);
    const head = this.#bytes(address, 4);
    if (head instanceof ObservationFailure) return head;
    const size = new DataView(head.buffer).getUint32(0, true) || least;
    if (size < least || size > most) return new ObservationFailure(copyError.attributesSize);
    const bytes = this.fixed(argument, size);
    // The caller may have changed the size after it was read.
    if (!(bytes instanceof ObservationFailure)) new DataView(bytes.buffer).setUint32(0, size, true);
    return bytes;
  }

  /** A structure of so many bytes. */
  fixed(argument: number, size: number): Uint8Array | ObservationFailure {
    const bytes = this.#bytes(this.argument(argument), size);
    if (!(bytes instanceof ObservationFailure)) this.#builder.point(argument, this.#builder.segment(bytes, 8));
    return bytes;
  }

  /** A `struct msghdr` of a sending call, and the address in it. */
  message(argument: number): ObservedMessage | ObservationFailure {
    const header = this.#bytes(this.argument(argument), messageHeader.size);
    if (header instanceof ObservationFailure) return header;
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const address = view.getBigUint64(messageHeader.name, true);
    // The kernel ignores the length without an address, and truncates a longer one (net/socket.c, __copy_msghdr).
    const length = Math.min(view.getInt32(messageHeader.nameLength, true), addressBytes);
    const name = length === 0 || address === 0n ? null : this.#address(address, length);
    if (name instanceof ObservationFailure) return name;
    const segment = this.#builder.segment(header, 8);
    this.#builder.point(argument, segment);
    if (name !== null) this.#builder.link(segment, messageHeader.name, name.segment);
    return { name: name?.bytes ?? null, controlLength: view.getBigUint64(messageHeader.controlLength, true) };
  }

  /** An array of pointers to strings, ended by a null pointer. `longList` beyond the bounds. */
  vector(argument: number, bounds: VectorBounds): readonly Uint8Array[] | ObservationFailure {
    const into = new Uint8Array(bounds.bytes);
    const starts = new Uint32Array(bounds.count);
    const count = native().observeVector(this.#notification, this.argument(argument), into, starts);
    if (count < 0) return new ObservationFailure(-count);
    const end = count === 0 ? 0 : into.indexOf(0, starts[count - 1]!) + 1;
    const strings = this.#builder.segment(into.subarray(0, end));
    const pointers = this.#builder.segment(new Uint8Array(8 * (count + 1)), 8);
    for (let index = 0; index < count; index++) this.#builder.link(pointers, 8 * index, strings, starts[index]!);
    this.#builder.point(argument, pointers);
    return Array.from({ length: count }, (_, index) => {
      const start = starts[index]!;
      return into.subarray(start, into.indexOf(0, start));
    });
  }

  #bytes(address: bigint, size: number): Uint8Array | ObservationFailure {
    const into = this.#scratch.take(size);
    const result = size === 0 ? 0 : native().observeBytes(this.#notification, address, into);
    return result < 0 ? new ObservationFailure(-result) : into;
  }

  /** The call is made with the memory that was read. If it enters `rooms` (../rooms/entered.ts), its end is reported. */
  pin(rooms = 0n): PinVerdict {
    return new PinVerdict(key, this.#builder.build(this.#scratch.registers), rooms);
  }

  /** The call returns this positive errno. */
  refuse(number: number): RefuseVerdict {
    return new RefuseVerdict(key, number);
  }

  /** The call waits, and is received and judged again later. */
  hold(): HoldVerdict {
    return new HoldVerdict();
  }

  /** The call is served, and answered later. `start` returns 0, or a positive errno if the service does not begin. */
  serve(start: (notification: Uint8Array) => number): ServeVerdict {
    return new ServeVerdict(key, start);
  }
}
