/**
 * Waits in Node's event loop for descriptors that Node does not read itself, such as sockets over which other descriptors
 * come.
 */
import { callNumber } from "../abi/call-numbers.ts";
import { createEpoll, eventLayout, pollBits } from "./descriptors.ts";
import { native, required } from "./native.ts";

const ctl = { add: 1, delete: 2, modify: 3 } as const;
const mostEvents = 64;

/** Reports descriptors that are readable or writable, again and again until they are read, written or forgotten. */
export class Readiness {
  readonly #epoll = createEpoll();
  readonly #callbacks = new Map<number, () => void>();
  readonly #events = new DataView(new ArrayBuffer(mostEvents * eventLayout.size));

  /** Throws a SystemCallError. */
  constructor() {
    required(
      "uv_poll_init",
      native().watchInLoop(this.#epoll, () => this.#tell()),
    );
  }

  /** `callback` must not throw. Throws a SystemCallError. */
  add(descriptor: number, callback: () => void): void {
    required("epoll_ctl", this.#control(ctl.add, descriptor, pollBits.in));
    this.#callbacks.set(descriptor, callback);
  }

  /** Whether room for writing is reported, too. */
  setWriting(descriptor: number, isWriting: boolean): void {
    this.#control(ctl.modify, descriptor, isWriting ? pollBits.in | pollBits.out : pollBits.in);
  }

  /** Before the descriptor is closed. */
  remove(descriptor: number): void {
    if (this.#callbacks.delete(descriptor)) this.#control(ctl.delete, descriptor, 0);
  }

  #control(operation: number, descriptor: number, bits: number): number {
    const event = new DataView(new ArrayBuffer(16));
    event.setUint32(0, bits, true);
    event.setInt32(eventLayout.word, descriptor, true);
    return native().syscall(callNumber("epoll_ctl"), this.#epoll, operation, descriptor, event);
  }

  #tell(): void {
    const count = native().syscall(callNumber("epoll_pwait"), this.#epoll, this.#events, mostEvents, 0, null, 8);
    const ready: number[] = [];
    for (let at = 0; at < count; at++)
      ready.push(this.#events.getInt32(at * eventLayout.size + eventLayout.word, true));
    // One can remove another.
    for (const descriptor of ready) this.#callbacks.get(descriptor)?.();
  }
}
