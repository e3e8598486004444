/**
 * Memory that all judged calls reuse. A dozen new buffers for each call would cost as much as the rest of its judgement,
 * most of it in the garbage collector.
 */

import { pathBytes } from "../../../abi/pointees.ts";
import { judgedLayout, notificationLayout } from "../../../machine/pinned-calls.ts";

/** Two paths, and structures and addresses beside them. */
const size = 4 * pathBytes;

export class Scratch {
  readonly notification = new Uint8Array(notificationLayout.size);
  readonly view = new DataView(this.notification.buffer);
  readonly judged = new Uint8Array(judgedLayout.size);
  readonly registers = new Int32Array(6);
  readonly #bytes = new Uint8Array(size);
  #taken = 0;

  /** Frees all bytes that were taken. */
  reset(): void {
    this.#taken = 0;
  }

  /** So many uninitialised bytes. */
  take(length: number): Uint8Array {
    const from = this.#taken;
    if (from + length > size) return new Uint8Array(length);
    this.#taken = from + length;
    return this.#bytes.subarray(from, from + length);
  }
}
