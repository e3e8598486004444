/** The agent's side of the connection to a front: text for its standard error, and the end. No write waits. */

import { callNumber } from "../../abi/call-numbers.ts";
import { errnoName } from "../../abi/errno.ts";
import type { Channel, WriteOutcome } from "../../events/sink.ts";
import { native } from "../../machine/native.ts";
import { encodeMessage, encodeText, message, messageKind } from "./protocol.ts";

const withoutWaiting = 0x40 | 0x4000; // MSG_DONTWAIT | MSG_NOSIGNAL

export class FrontChannel implements Channel {
  readonly #connection: number;
  /** The rest of a message of which the front's buffer took only a part. */
  #rest: Uint8Array = new Uint8Array(0);
  #fault: string | undefined;

  constructor(connection: number) {
    this.#connection = connection;
  }

  write(bytes: Uint8Array): WriteOutcome {
    if (this.#flush() && this.#put(encodeText(bytes))) return Math.min(bytes.length, message.mostText);
    return this.#fault === undefined ? "full" : { code: this.#fault, isFinal: true };
  }

  /** False if the front's buffer is full, or the front has gone. */
  tell(kind: keyof typeof messageKind, value = 0): boolean {
    return this.#flush() && this.#put(encodeMessage(messageKind[kind], value));
  }

  /** Whether the front's buffer has all that was written, or the front has gone. */
  get isSettled(): boolean {
    return this.#flush() || this.isGone;
  }

  get isGone(): boolean {
    return this.#fault !== undefined;
  }

  /** The front has gone: nothing is sent any more. */
  end(): void {
    this.#fault ??= "EPIPE";
  }

  retract(): void {}

  close(): void {}

  #flush(): boolean {
    const isEmpty = this.#rest.length === 0 || this.#put(this.#rest);
    return isEmpty && this.#rest.length === 0 && this.#fault === undefined;
  }

  /** False if nothing of it was sent. */
  #put(bytes: Uint8Array): boolean {
    if (this.#fault !== undefined) return false;
    const { syscall } = native();
    const sent = syscall(callNumber("sendto"), this.#connection, bytes, bytes.length, withoutWaiting, null, 0);
    if (sent > 0) this.#rest = bytes.subarray(sent);
    const code = sent < 0 ? (errnoName(-sent) ?? "EPIPE") : undefined;
    if (code !== undefined && code !== "EAGAIN" && code !== "EINTR") this.#fault = code;
    return sent > 0;
  }
}
