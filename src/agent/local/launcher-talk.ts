/** The conversation with a launcher in Node's event loop. A client has given the socket, so no call waits for it. */

import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import {
  type LauncherMessage,
  orders,
  parseMessage,
  parseStarted,
  type Started,
} from "../../engines/launcher/launcher.ts";
import { close, receiveWithDescriptors } from "../../machine/descriptors.ts";
import { native } from "../../machine/native.ts";
import type { Readiness } from "../../machine/readiness.ts";
import { closeStrange } from "./strange.ts";

const withoutWaiting = 0x40 | 0x4000; // MSG_DONTWAIT | MSG_NOSIGNAL
/** Messages at once, so that a launcher that sends without a pause delays no other. */
const mostAtOnce = 8;
/** A launcher sends three with its first message, and none later. */
const mostDescriptors = 8;

export interface LauncherListener {
  /** The command runs; its descriptors are the listener's from now on. */
  onStarted(started: Started): void;
  /** It does not run, and nothing of it is left. */
  onRefused(): void;
  /** Returns false after the last message. */
  onMessage(message: LauncherMessage): boolean;
}

export class LauncherTalk {
  readonly #socket: number;
  readonly #readiness: Readiness;
  readonly #listener: LauncherListener;
  readonly #message = new DataView(new ArrayBuffer(orders.messageSize));
  #received = 0;
  #descriptors: number[] = [];
  #unsent: Uint8Array;
  #hasStarted = false;
  #isOver = false;

  /** Sends the order to start. Throws a SystemCallError if the descriptor cannot be watched. */
  constructor(socket: number, order: Uint8Array, readiness: Readiness, listener: LauncherListener) {
    this.#socket = socket;
    this.#readiness = readiness;
    this.#listener = listener;
    this.#unsent = order;
    readiness.add(socket, () => this.#ready());
    this.#send();
  }

  /** Closes the socket: a launcher that has not started the command starts nothing. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#readiness.remove(this.#socket);
    for (const descriptor of this.#descriptors.splice(0)) closeStrange(descriptor);
    close(this.#socket);
  }

  #ready(): void {
    if (this.#unsent.length > 0) this.#send();
    for (let count = 0; count < mostAtOnce && !this.#isOver; count++) if (!this.#receive()) return;
  }

  #send(): void {
    const { syscall } = native();
    const sent = syscall(
      callNumber("sendto"),
      this.#socket,
      this.#unsent,
      this.#unsent.length,
      withoutWaiting,
      null,
      0,
    );
    // An error other than a full buffer shows as the end of the stream.
    this.#unsent = this.#unsent.subarray(sent === -errno.EAGAIN ? 0 : sent < 0 ? this.#unsent.length : sent);
    this.#readiness.setWriting(this.#socket, this.#unsent.length > 0);
  }

  /** False if there is no more now. */
  #receive(): boolean {
    const into = new Uint8Array(this.#message.buffer, this.#received);
    const { count, descriptors } = receiveWithDescriptors(this.#socket, into, false);
    this.#descriptors.push(...descriptors);
    if (count === -errno.EAGAIN) return false;
    if (count <= 0 || this.#descriptors.length > mostDescriptors) {
      this.#heed({ kind: "closed" });
      return false;
    }
    this.#received += count;
    if (this.#received < orders.messageSize) return true;
    this.#received = 0;
    const given = this.#descriptors.splice(0);
    if (this.#hasStarted) {
      for (const descriptor of given) closeStrange(descriptor);
      this.#heed(parseMessage(this.#message));
      return true;
    }
    const started = parseStarted(this.#message, given);
    if (started === undefined) {
      for (const descriptor of given) closeStrange(descriptor);
      this.#heed({ kind: "closed" });
      return false;
    }
    this.#hasStarted = true;
    this.#listener.onStarted({ socket: this.#socket, ...started });
    return true;
  }

  #heed(message: LauncherMessage): void {
    if (!this.#hasStarted) {
      this.end();
      this.#listener.onRefused();
    } else if (!this.#listener.onMessage(message)) this.end();
  }
}
