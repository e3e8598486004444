/** The records of a tree, on their way to the process's other thread. */
import { EventLimit } from "../../../events/limit.ts";
import type { EventRecord } from "../../../events/record.ts";
import type { RecordSink } from "./records.ts";

/** The most records of a tree in transit; further ones are dropped and counted. */
const mostUnderWay = 4096;

/** Limits of the records of one kind: so many at once, and then so many a second. */
const limits = { burst: 200, perSecond: 50, keys: 1024 } as const;

export class MessageSink implements RecordSink {
  readonly #underWay: Int32Array;
  readonly #post: (record: EventRecord) => void;
  readonly #limit = new EventLimit(limits);
  #dropped = 0;

  /** `underWay`: in its word 0 the number of records in transit, which the other thread decreases. */
  constructor(underWay: Int32Array, post: (record: EventRecord) => void) {
    this.#underWay = underWay;
    this.#post = post;
  }

  wants(key: string, now: number): boolean {
    const { passes, dropped } = this.#limit.admit(key, now);
    for (const { count } of dropped) this.#dropped += count;
    if (!passes) return false;
    if (Atomics.load(this.#underWay, 0) >= mostUnderWay) {
      this.#dropped++;
      return false;
    }
    this.#reportDropped();
    return true;
  }

  put(record: EventRecord): void {
    Atomics.add(this.#underWay, 0, 1);
    this.#post(record);
  }

  finish(): void {
    for (const { count } of this.#limit.drain()) this.#dropped += count;
    this.#reportDropped();
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.put({ kind: "notice", time: Date.now(), text: "events were dropped, because too many came at once", dropped });
  }
}
