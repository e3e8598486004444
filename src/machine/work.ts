/**
 * What another thread does for a tree while the supervisor's thread serves other ones: it can take as long as the tree likes.
 * Meanwhile the tree's supervisor does nothing. Where a thread has one tree, it does the work itself. A call can also pause.
 */
import { errno } from "../abi/errno-numbers.ts";
import { notificationLayout } from "./pinned-calls.ts";

/** Goes on with a call. True if its answer is in the memory. */
export type GoOn = (result: number) => boolean;

/** The memory with the notification of the present call. Several supervisors can share it. */
export interface WithNotification {
  bytes(): Uint8Array;
  receiveAgain(notification: Uint8Array): void;
}

export class Work {
  readonly #memory: WithNotification | undefined;
  readonly #notification = new Uint8Array(notificationLayout.size);
  #goOn: GoOn | undefined;
  #pause: number | undefined;

  constructor(memory: WithNotification | undefined) {
    this.#memory = memory;
  }

  get isUnderWay(): boolean {
    return this.#goOn !== undefined;
  }

  /** The milliseconds after which the call goes on; undefined while another thread works for it. */
  get pause(): number | undefined {
    return this.#pause;
  }

  /** `result`: of a function of the addon. -EINPROGRESS: it is under way; then this returns false. */
  when(result: number, goOn: GoOn): boolean {
    if (result !== -errno.EINPROGRESS) return goOn(result);
    this.#leave(goOn, undefined);
    return false;
  }

  /** The call goes on after so many milliseconds, with the result 0. */
  after(milliseconds: number, goOn: GoOn): false {
    this.#leave(goOn, milliseconds);
    return false;
  }

  #leave(goOn: GoOn, pause: number | undefined): void {
    if (this.#memory !== undefined) this.#notification.set(this.#memory.bytes().subarray(0, notificationLayout.size));
    this.#goOn = goOn;
    this.#pause = pause;
  }

  /** The work or the pause is over, and its call's notification is in the memory again. Returns what is to be done with its result. */
  end(): GoOn {
    const goOn = this.#goOn!;
    this.#goOn = undefined;
    this.#memory?.receiveAgain(this.#notification);
    return goOn;
  }
}
