/**
 * Handles calls whose object the policy asks about (`resolved`). The addon resolves the path and holds the object, the
 * supervisor judges it, and the addon opens or connects to it on the caller's behalf. Such a call reaches the loop twice:
 * when it is made, and when its object is held.
 */

import type { ArchitectureName } from "../../../abi/architecture.ts";
import { callNumber } from "../../../abi/call-numbers.ts";
import { copyError } from "../../../abi/copy-errors.ts";
import { atWorkingDirectory, closeOnExec } from "../../../abi/open-numbers.ts";
import { type HoldObstacle, holdObstacles } from "../../../events/record.ts";
import type { ResolvedObject } from "../../../ir/observation.ts";
import { type Memory, type ObservationOfCall, readSocketAddress } from "../../../ir/observe.ts";
import type { Program } from "../../../ir/program.ts";
import { native, required } from "../../../machine/native.ts";
import { ObservationFailure, type Observer } from "../pin/observer.ts";
import { keyOf, objectsOf } from "./objects-of.ts";

/** The addon's numbers (enum order_kind in native/addon/objects/objects.h). */
export const orderKinds = { open: 0n, openat2: 1n, connect: 2n } as const;
const workingDirectory = BigInt(atWorkingDirectory);
/** O_CREAT | O_WRONLY | O_TRUNC, the same on both architectures. */
const creatFlags = 0o1101n;
/** O_PATH, and flags whose numbers differ between architectures (arch/arm64/include/uapi/asm/fcntl.h). */
const pathOnly = 0x20_0000n;
const directoryFlags = {
  x86_64: { directory: 0x1_0000n, noFollow: 0x2_0000n },
  aarch64: { directory: 0x4000n, noFollow: 0x8000n },
} as const;
/** sizeof(struct sockaddr_un); a longer address is refused (net/unix/af_unix.c, unix_validate_addr()). */
const unixAddressBytes = 110;
const openHow = { least: 24 } as const;
/** With more entries, those of finished calls are dropped. The addon serves half as many calls at once. */
export const mostRemembered = 8192;

/** A request to hold the object of a call. */
export interface Order {
  readonly path: Uint8Array;
  /** Kind, directory, flags, mode, resolve, socket. */
  readonly fields: BigInt64Array;
  /** The observation whose path leads to the object. */
  readonly place: number;
  readonly wanted: Wanted;
  readonly rewritten: RewrittenFlags | undefined;
}

/** A call whose object is held, for the time of its judgement. */
export interface HeldCall {
  readonly objects: ServedCalls;
  readonly id: bigint;
  readonly serve: () => void;
  /** The call waits for a room, and is served or refused later. */
  readonly await: () => void;
}

/** An argument that is changed before the call is made; the policy judges the changed value. */
export interface RewrittenFlags {
  readonly argument: number;
  readonly flags: bigint;
}

/** The objects that an observation's words ask about. */
interface Wanted {
  /** Indexes of the addon's constants. */
  readonly indexes: Uint32Array;
  /** The position of each in `indexes`. */
  readonly places: ReadonlyMap<ResolvedObject, number>;
}

/** The memory and the order of a call, as they were when it was made. */
interface ServedCall {
  readonly observations: readonly ObservationOfCall[];
  readonly memory: readonly Memory[];
  readonly order: Order;
}

export type Held =
  | {
      readonly is: "object";
      readonly observations: readonly ObservationOfCall[];
      readonly memory: readonly Memory[];
      readonly rewritten: RewrittenFlags | undefined;
    }
  /** The call fails with this errno, as it would without a policy. */
  | { readonly is: "failed"; readonly errno: number }
  | { readonly is: "refused"; readonly errno: number; readonly why: HoldObstacle };

export interface ServedOptions {
  readonly architecture: ArchitectureName;
  /** Only a fatal signal ends a caller's wait. */
  readonly isKillable: boolean;
  /** Files of proc file systems are opened for reading only: the callers' own domain does not bind this process. */
  readonly readOnlyProc: boolean;
  /** The callers have the rights and the root directory of a container. */
  readonly isContainer: boolean;
}

export class ServedCalls {
  /** Readable when an object is held. */
  readonly descriptor: number;
  readonly #calls: { readonly [name in "open" | "openat" | "openat2" | "creat" | "connect"]: number };
  readonly #directoryFlags: (typeof directoryFlags)[ArchitectureName];
  /** By observation. */
  readonly #wanted: ReadonlyMap<number, Wanted>;
  readonly #served = new Map<bigint, ServedCall>();

  /** A thread can have one instance. Throws a SystemCallError. */
  constructor(
    listener: number,
    { words }: Pick<Program, "words">,
    { architecture, isKillable, readOnlyProc, isContainer }: ServedOptions,
  ) {
    this.#calls = {
      open: callNumber("open", architecture),
      openat: callNumber("openat", architecture),
      openat2: callNumber("openat2", architecture),
      creat: callNumber("creat", architecture),
      connect: callNumber("connect", architecture),
    };
    this.#directoryFlags = directoryFlags[architecture];
    const objects = objectsOf(words);
    const all = [...objects.values()].flat();
    const distinct = [...new Map(all.map((object) => [keyOf(object), object])).values()];
    const indexes = new Map(distinct.map((object, index) => [keyOf(object), index]));
    this.#wanted = new Map(
      Array.from(objects, ([observation, asked]) => [
        observation,
        {
          indexes: Uint32Array.from(asked, (object) => indexes.get(keyOf(object))!),
          places: new Map(asked.map((object, place) => [object, place])),
        },
      ]),
    );
    const paths = Buffer.from(distinct.map(({ path }) => `${path}\0`).join(""));
    const under = Uint8Array.from(distinct, ({ is }) => (is === "under" ? 1 : 0));
    this.descriptor = required(
      "start of the pool",
      native().startObjects(listener, paths, under, isKillable, readOnlyProc, isContainer),
    );
  }

  /**
   * The order for this call; undefined if it has no object and must be pinned as others are; a failure if other memory of
   * the call cannot be read.
   */
  orderOf(
    number: number,
    observer: Observer,
    observations: readonly ObservationOfCall[],
    memory: readonly Memory[],
  ): Order | undefined | ObservationFailure {
    const place = observations.findIndex(({ index }) => this.#wanted.has(index));
    const read = memory[place];
    if (read?.is !== "bytes") return undefined;
    const wanted = this.#wanted.get(observations[place]!.index)!;
    const order = (path: Uint8Array, ...fields: readonly bigint[]): Order => {
      const six = new BigInt64Array(6);
      fields.forEach((field, index) => {
        six[index] = field;
      });
      return { path, fields: six, place, wanted, rewritten: undefined };
    };
    /** An open whose flags are this argument. */
    const open = (directory: bigint, argument: number): Order => {
      const flags = word(argument);
      const rewritten = this.#withoutPathOnly(flags);
      const made = order(read.bytes, orderKinds.open, directory, rewritten ?? flags, word(argument + 1));
      return rewritten === undefined ? made : { ...made, rewritten: { argument, flags: rewritten } };
    };
    const int = (index: number) => BigInt.asIntN(32, observer.argument(index));
    const word = (index: number) => BigInt.asUintN(32, observer.argument(index));
    const calls = this.#calls;
    switch (number) {
      case calls.open:
        return open(workingDirectory, 1);
      case calls.creat:
        return order(read.bytes, orderKinds.open, workingDirectory, creatFlags, word(1));
      case calls.openat:
        return open(int(0), 2);
      case calls.openat2: {
        const how = this.#how(observer, observations, memory);
        if (how instanceof ObservationFailure) return how;
        const view = new DataView(how.buffer, how.byteOffset, how.byteLength);
        const field = (offset: number) => view.getBigUint64(offset, true);
        return order(read.bytes, orderKinds.openat2, int(0), field(0), field(8), field(16));
      }
      case calls.connect: {
        const address = readSocketAddress(read.bytes);
        if (address.kind !== "unix") return undefined;
        if (read.bytes.length > unixAddressBytes) return new ObservationFailure(copyError.addressLength);
        return order(address.name, orderKinds.connect, workingDirectory, 0n, 0n, 0n, int(0));
      }
      default:
        return undefined;
    }
  }

  /**
   * The kernel cannot install a descriptor that was opened with O_PATH. A directory is judged and opened for reading
   * instead, because cp and mv (GNU coreutils 9) open the directory that they write to with O_PATH.
   */
  #withoutPathOnly(flags: bigint): bigint | undefined {
    const { directory, noFollow } = this.#directoryFlags;
    if ((flags & pathOnly) === 0n || (flags & directory) === 0n) return undefined;
    return flags & (directory | noFollow | BigInt(closeOnExec));
  }

  /** openat2's structure. If the policy asks about it, the bytes are those that it judges: they are read once. */
  #how(
    observer: Observer,
    observations: readonly ObservationOfCall[],
    memory: readonly Memory[],
  ): Uint8Array | ObservationFailure {
    const place = observations.findIndex(({ observation }) => observation.shape.is === "structure");
    const known = memory[place];
    const read = known?.is === "bytes" ? known.bytes : observer.structure(2, 3, openHow);
    if (read instanceof ObservationFailure) return read;
    // Bytes behind the known fields must be 0 (copy_struct_from_user()).
    return read.subarray(openHow.least).some((byte) => byte !== 0)
      ? new ObservationFailure(copyError.longStructure)
      : read;
  }

  /** Asks the addon to hold the object. Returns 0, or the errno if the addon refuses. */
  begin(
    id: bigint,
    notification: Uint8Array,
    order: Order,
    observations: readonly ObservationOfCall[],
    memory: readonly Memory[],
  ): number {
    if (this.#served.size >= mostRemembered) {
      for (const known of this.#served.keys()) if (!native().isServed(known)) this.#served.delete(known);
    }
    const result = native().holdObject(notification, order.fields, order.path, order.wanted.indexes);
    // The next call overwrites the bytes that were read.
    const own = memory.map((one) => (one.is === "bytes" ? { ...one, bytes: one.bytes.slice() } : one));
    if (result === 0) this.#served.set(id, { observations, memory: own, order });
    return -result;
  }

  /** Whether a call waits for its object, or is being served. */
  get isServing(): boolean {
    for (const id of this.#served.keys()) if (native().isServed(id)) return true;
    return false;
  }

  /** Whether this call has come before. */
  has(id: bigint): boolean {
    return this.#served.has(id);
  }

  held(id: bigint): Held {
    const { observations, memory, order } = this.#served.get(id)!;
    const { indexes, places } = order.wanted;
    const matches = new Uint8Array(indexes.length);
    const result = native().heldObject(id, matches);
    if (result < 0) throw new Error("a held object is missing");
    if (result > 0) {
      const number = result & 0xffff;
      const why = result >> 16;
      if (why === 0) return { is: "failed", errno: number };
      return { is: "refused", errno: number, why: holdObstacles[why - 1]! };
    }
    const resolved = (object: ResolvedObject): boolean => matches[places.get(object)!] === 1;
    const known = memory.map((one, index) =>
      index === order.place && one.is === "bytes" ? { ...one, resolved } : one,
    );
    return { is: "object", observations, memory: known, rewritten: order.rewritten };
  }

  /** Opens or connects, and answers. The call comes again if that fails, or if it must be judged anew. */
  serve(id: bigint): void {
    if (native().serveObject(id)) this.#served.delete(id);
  }

  /** From now on an open can wait for a process of the tree. */
  openApart(): void {
    native().openObjectsApart();
  }

  /** The call has another answer. */
  drop(id: bigint): void {
    this.#served.delete(id);
    native().dropObject(id);
  }
}
