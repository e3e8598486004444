/** The memory that the kernel, the policy and the supervisor share, as words; see src/backend/wasm/layout.ts. */
import type { PolicyInstance } from "../../../backend/wasm/instance.ts";
import { addresses, pageSize } from "../../../backend/wasm/layout.ts";
import { continueFlag } from "../../../machine/seccomp.ts";

const word = (address: number) => address / 4;
const at = {
  id: word(addresses.id),
  notifiedTid: word(addresses.notifiedPid),
  tid: word(addresses.tid),
  number: word(addresses.number),
  architecture: word(addresses.architecture),
  response: word(addresses.response),
  value: word(addresses.response) + 2,
  error: word(addresses.response) + 4,
  flags: word(addresses.response) + 5,
  alive: word(addresses.alive),
  pid: word(addresses.pid),
  uid: word(addresses.uid),
  gid: word(addresses.gid),
  reportCount: word(addresses.reportCount),
} as const;

/** In one number, to compare them. */
export function packCredentials({ uid, gid }: { readonly uid: number; readonly gid: number }): bigint {
  return (BigInt(gid) << 32n) | BigInt(uid);
}

export class JudgementMemory {
  readonly instance: PolicyInstance;
  #words!: Uint32Array;
  #longs!: BigUint64Array;
  #buffer!: ArrayBuffer;
  #bytes!: Uint8Array;
  /** The number of words that the last observed call has left. */
  #observedWords = 0;

  constructor(instance: PolicyInstance) {
    this.instance = instance;
    this.renew();
  }

  /** Call this when the memory may have grown. Returns true if it has; then views of the old buffer are invalid. */
  renew(): boolean {
    const { buffer } = this.instance.memory;
    if (buffer === this.#buffer) return false;
    this.#buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#longs = new BigUint64Array(buffer);
    return true;
  }

  bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Takes over the content of such a memory. Call it before all else. */
  restore(saved: Uint8Array): void {
    const { memory } = this.instance;
    const missing = saved.length - memory.buffer.byteLength;
    if (missing > 0) memory.grow(missing / pageSize);
    this.renew();
    this.#bytes.set(saved);
  }

  /** A notification that was received before is judged now. As `next` of the addon. */
  receiveAgain(notification: Uint8Array): void {
    this.#bytes.set(notification);
    this.#longs[addresses.now / 8] = process.hrtime.bigint();
    this.#words[at.tid] = this.tid;
  }

  /** `struct seccomp_notif_resp`. */
  response(): Uint8Array {
    return this.bytes().subarray(addresses.response, addresses.now);
  }

  get number(): number {
    return this.#words[at.number]!;
  }
  get architecture(): number {
    return this.#words[at.architecture]!;
  }
  /** 0 if the caller is not visible in our pid namespace. */
  get tid(): number {
    return this.#words[at.notifiedTid]!;
  }
  get reportCount(): number {
    return this.#words[at.reportCount]!;
  }

  get id(): bigint {
    return this.#longs[0]!;
  }
  /** The notification's id, for `notificationIsValid`. */
  idBytes(): BigUint64Array {
    return this.#longs.slice(0, 1);
  }

  /** A copy of the `struct seccomp_data`. */
  call(): Uint8Array {
    return this.#bytes.slice(addresses.number, addresses.response);
  }

  argument(index: number): bigint {
    return this.#longs[addresses.arguments / 8 + index]!;
  }

  arguments(): bigint[] {
    const first = addresses.arguments / 8;
    return Array.from(this.#longs.subarray(first, first + 6));
  }

  setArgument(index: number, value: bigint): void {
    this.#longs[addresses.arguments / 8 + index] = value;
  }

  /** The low word of a cell: enough for a phase. */
  lowWord(address: number): number {
    return this.#words[word(address)]!;
  }

  /** The words of the call's observations. */
  setObserved(observed: readonly bigint[]): void {
    const first = this.instance.layout.words / 8;
    for (let index = 0; index < observed.length; index++) this.#longs[first + index] = observed[index]!;
    this.#observedWords = observed.length;
  }

  /** The call has no observation: its words are 0. */
  setUnobserved(): void {
    if (this.#observedWords === 0) return;
    const first = this.instance.layout.words / 8;
    this.#longs.fill(0n, first, first + this.#observedWords);
    this.#observedWords = 0;
  }

  setAlive(count: number): void {
    this.#words[at.alive] = count;
    this.#words[at.alive + 1] = 0;
  }
  setProcess(pid: number): void {
    this.#words[at.pid] = pid;
  }
  setCredentials(uid: number, gid: number): void {
    this.#words[at.uid] = uid;
    this.#words[at.gid] = gid;
  }

  /** The last credentials of `setCredentials`; 0 if it was not called. */
  get credentials(): bigint {
    return packCredentials({ uid: this.#words[at.uid]!, gid: this.#words[at.gid]! });
  }

  /** Writes the answer "continue". */
  pass(): void {
    this.#answer(0, continueFlag);
  }

  /**
   * Writes the answer "fail with this errno", 0 … 4095. Errnos above 511 are internal to the kernel, such as
   * ERESTARTNOINTR. With 0 the call is not made and returns 0.
   */
  refuse(errno: number): void {
    this.#answer(-errno >>> 0, 0);
  }

  #answer(error: number, flags: number): void {
    const words = this.#words;
    words[at.response] = words[at.id]!;
    words[at.response + 1] = words[at.id + 1]!;
    words[at.value] = 0;
    words[at.value + 1] = 0;
    words[at.error] = error;
    words[at.flags] = flags;
  }
}
