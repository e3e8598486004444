/** Records in the ring: their kinds and layouts, for the thread that writes them and the one that reads them. */

import type { ReadMemory } from "../memory-json.ts";
import type { RingReader } from "./ring.ts";

/** `call`: a notification; `task`: a thread is seen for the first time; `exec`: it has executed a program. */
export const recordKind = { call: 1, task: 2, exec: 3 } as const;

/** A call: its time in place of the notification's id, then the notification, then the results of its reads. */
export const callLayout = {
  time: 0,
  tid: 8,
  reads: 12,
  number: 16,
  architecture: 20,
  instructionPointer: 24,
  arguments: 32,
  memory: 80,
} as const;

/** The header before the entries of a read: its state, whether it is cut, the number of entries. */
export const readState = { absent: 0, failed: 1, texts: 2 } as const;

export interface Notification {
  readonly tid: number;
  readonly time: number;
  readonly number: number;
  readonly architecture: number;
  readonly instructionPointer: readonly [low: number, high: number];
  readonly registers: Uint32Array;
  /** The number of reads and their results: bytes, one in each character. `readsOf` decodes them. */
  readonly reads: number;
  readonly memory: string;
}

export interface SeenTask {
  readonly tid: number;
  readonly process: number;
  readonly parent: number;
}

export interface NotificationTaker {
  call(notification: Notification): void;
  task(task: SeenTask): void;
  exec(tid: number, former: number): void;
}

/** @param base the time of the recording's start, in nanoseconds of CLOCK_MONOTONIC */
export function readNotifications(ring: RingReader, base: bigint, taker: NotificationTaker): void {
  const [baseLow, baseHigh] = [Number(base & 0xffff_ffffn), Number(base >> 32n)];
  ring.drain((kind, view, offset, length) => {
    const word = (at: number) => view.getUint32(offset + at, true);
    switch (kind) {
      case recordKind.call: {
        const registers = new Uint32Array(12);
        for (let index = 0; index < 12; index++) registers[index] = word(callLayout.arguments + 4 * index);
        taker.call({
          tid: word(callLayout.tid),
          time: (word(callLayout.time + 4) - baseHigh) * 2 ** 32 + (word(callLayout.time) - baseLow),
          number: word(callLayout.number) | 0,
          architecture: word(callLayout.architecture),
          instructionPointer: [word(callLayout.instructionPointer), word(callLayout.instructionPointer + 4)],
          registers,
          reads: word(callLayout.reads),
          memory:
            word(callLayout.reads) === 0
              ? ""
              : Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString(
                  "latin1",
                  offset + callLayout.memory,
                  offset + length,
                ),
        });
        return;
      }
      case recordKind.task:
        taker.task({ tid: word(0), process: word(4), parent: word(8) });
        return;
      case recordKind.exec:
        taker.exec(word(0), word(4));
        return;
      default:
    }
  });
}

export function readsOf({ reads, memory }: Notification): readonly ReadMemory[] {
  const view = new DataView(Uint8Array.from(Buffer.from(memory, "latin1")).buffer);
  const found: ReadMemory[] = [];
  let at = 0;
  const word = () => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  for (let index = 0; index < reads; index++) {
    switch (word()) {
      case readState.absent:
        found.push({ is: "absent" });
        break;
      case readState.failed:
        found.push({ is: "failed", errno: word() });
        break;
      default: {
        const isCut = word() !== 0;
        const entries = Array.from({ length: word() }, () => {
          const isShort = word() !== 0;
          const length = word();
          const bytes = new Uint8Array(length);
          bytes.set(new Uint8Array(view.buffer, at, length));
          at += (length + 3) & ~3;
          return { bytes, isCut: isShort };
        });
        found.push({ is: "texts", entries, isCut });
      }
    }
  }
  return found;
}
