/**
 * Merges the ring buffers of all processors into one stream of events in the order of time. An event of one buffer can
 * be written later than a younger one of another, so events are held until they are old enough. They are numbers in
 * arrays: objects would cost more than the rest of the recording.
 */
import { callNumber } from "../../../abi/call-numbers.ts";
import { native } from "../../../machine/native.ts";
import { fieldOffset } from "./event-format.ts";
import type { EventName, TraceInstance } from "./instance.ts";
import { type PageReader, readPage } from "./ring-page.ts";

/**
 * Nanoseconds until all buffers have earlier events. The kernel writes an event in well under a microsecond, but a
 * hypervisor can stop a virtual processor.
 */
const settling = 50e6;

/**
 * | kind | `first` | `second` |
 * | --- | --- | --- |
 * | enter | the number of the call | |
 * | exit | the low half of the result | the high half |
 * | birth | the child | the flags of clone |
 * | exec | the former thread | |
 * | death | | |
 * | lost | how many events, 0 if that is unknown | |
 */
export const eventKind = { enter: 0, exit: 1, birth: 2, exec: 3, death: 4, lost: 5 } as const;

/** Words of an event: kind, thread, `first`, `second`, and the six registers, low half first. */
const at = { kind: 0, tid: 1, first: 2, second: 3, registers: 4 } as const;
const eventWords = 16;

/** Events of one processor by their slot, in the order of time. */
export class HeldEvents {
  #words = new Uint32Array(1024 * eventWords);
  #times = new Float64Array(1024);
  readonly #registers = new Uint32Array(12);
  #taken = 0;
  count = 0;

  kind(slot: number): number {
    return this.#words[eventWords * slot + at.kind]!;
  }
  tid(slot: number): number {
    return this.#words[eventWords * slot + at.tid]!;
  }
  first(slot: number): number {
    return this.#words[eventWords * slot + at.first]!;
  }
  second(slot: number): number {
    return this.#words[eventWords * slot + at.second]!;
  }
  time(slot: number): number {
    return this.#times[slot]!;
  }
  /** One array for all events, valid until the registers of the next event are read. */
  registers(slot: number): Uint32Array {
    const start = eventWords * slot + at.registers;
    for (let index = 0; index < 12; index++) this.#registers[index] = this.#words[start + index]!;
    return this.#registers;
  }

  add(kind: number, time: number, tid: number, first: number, second: number): number {
    if (this.count === this.#times.length) this.#grow();
    const slot = this.count++;
    const start = eventWords * slot;
    this.#words[start + at.kind] = kind;
    this.#words[start + at.tid] = tid;
    this.#words[start + at.first] = first;
    this.#words[start + at.second] = second;
    this.#times[slot] = time;
    return slot;
  }

  copyRegisters(slot: number, view: DataView, from: number): void {
    const start = eventWords * slot + at.registers;
    for (let index = 0; index < 12; index++) this.#words[start + index] = view.getUint32(from + 4 * index, true);
  }

  get lastTime(): number {
    return this.count === 0 ? Number.NEGATIVE_INFINITY : this.#times[this.count - 1]!;
  }

  /** The time of the first event that is not taken; infinite if all are. */
  get nextTime(): number {
    return this.#taken < this.count ? this.#times[this.#taken]! : Number.POSITIVE_INFINITY;
  }

  /** The slot of the first event that is not taken, which then is. */
  next(): number {
    return this.#taken++;
  }

  /** Events that are taken are forgotten. */
  forgetTaken(): void {
    this.#words.copyWithin(0, eventWords * this.#taken, eventWords * this.count);
    this.#times.copyWithin(0, this.#taken, this.count);
    this.count -= this.#taken;
    this.#taken = 0;
  }

  #grow(): void {
    const words = new Uint32Array(2 * this.#words.length);
    words.set(this.#words);
    this.#words = words;
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
  }
}

/** The number of pages that are read from one processor before the others. */
const mostPages = 512;
/** A processor with more events that are not taken is not read. Fewer are made while events settle. */
const mostHeld = 1 << 16;

/** One processor's buffer. */
interface Buffered {
  readonly pipe: number;
  readonly events: HeldEvents;
  readonly reader: PageReader;
}

export class EventStream {
  readonly #base: bigint;
  readonly #page: Buffer;
  readonly #view: DataView;
  readonly #buffers: readonly Buffered[];

  constructor(instance: Pick<TraceInstance, "formats" | "pageSize" | "pipes">, base: bigint) {
    this.#base = base;
    this.#page = Buffer.alloc(instance.pageSize);
    this.#view = new DataView(this.#page.buffer, this.#page.byteOffset, this.#page.length);
    this.#buffers = instance.pipes.map((pipe) => {
      const events = new HeldEvents();
      const lost: PageReader["lost"] = (count, time) => events.add(eventKind.lost, time, 0, count ?? 0, 0);
      return { pipe, events, reader: { event: decoder(instance.formats, events), lost } };
    });
  }

  /**
   * Reads a part of the buffers. Calls `before` once, then `take` for each event that has settled, or with `all` for every
   * event. Returns the time up to which all buffers have been read; infinite if all have been read to their ends.
   */
  read(all: boolean, before: () => void, take: (events: HeldEvents, slot: number) => void): number {
    const now = Number(process.hrtime.bigint() - this.#base);
    const known = this.#readPages();
    before();
    merge(
      this.#buffers.map(({ events }) => events),
      all ? known : Math.min(known, now - settling),
      take,
    );
    return known;
  }

  #readPages(): number {
    const { syscall } = native();
    const readCall = callNumber("read");
    let known = Number.POSITIVE_INFINITY;
    for (const { pipe, events, reader } of this.#buffers) {
      // One processor can be far behind the others, whose events would pile up here.
      let pages = events.count > mostHeld ? mostPages : 0;
      while (pages < mostPages && syscall(readCall, pipe, this.#page, this.#page.length) > 0) {
        readPage(this.#view, this.#base, reader);
        pages++;
      }
      if (pages === mostPages) known = Math.min(known, events.lastTime);
    }
    return known;
  }
}

/**
 * Takes the events up to this time in their order. A processor makes many events before another makes one, so that its run
 * is taken without a look at the others.
 */
export function merge(
  all: readonly HeldEvents[],
  until: number,
  take: (events: HeldEvents, slot: number) => void,
): void {
  for (;;) {
    let first: HeldEvents | undefined;
    let firstTime = Number.POSITIVE_INFINITY;
    let nextTime = Number.POSITIVE_INFINITY;
    for (const events of all) {
      const time = events.nextTime;
      if (time < firstTime) {
        nextTime = firstTime;
        firstTime = time;
        first = events;
      } else if (time < nextTime) nextTime = time;
    }
    if (first === undefined || firstTime > until) break;
    const limit = Math.min(until, nextTime);
    do take(first, first.next());
    while (first.nextTime <= limit && first.nextTime !== Number.POSITIVE_INFINITY);
  }
  for (const events of all) events.forgetTaken();
}

function decoder(formats: TraceInstance["formats"], events: HeldEvents): PageReader["event"] {
  const field = (event: EventName, name: string) => fieldOffset(formats[event], name);
  const [type, task] = [field("enter", "common_type"), field("enter", "common_pid")];
  const enter = { id: formats.enter.id, number: field("enter", "id"), arguments: field("enter", "args") };
  const exit = { id: formats.exit.id, result: field("exit", "ret") };
  const birth = { id: formats.birth.id, child: field("birth", "pid"), flags: field("birth", "clone_flags") };
  const exec = { id: formats.exec.id, tid: field("exec", "pid"), former: field("exec", "old_pid") };
  const death = { id: formats.death.id, tid: field("death", "pid") };
  return (view, at, time) => {
    const word = (offset: number) => view.getUint32(at + offset, true);
    const tid = word(task);
    switch (view.getUint16(at + type, true)) {
      case enter.id:
        events.copyRegisters(events.add(eventKind.enter, time, tid, word(enter.number), 0), view, at + enter.arguments);
        return;
      case exit.id:
        events.add(eventKind.exit, time, tid, word(exit.result), word(exit.result + 4));
        return;
      case birth.id:
        events.add(eventKind.birth, time, tid, word(birth.child), word(birth.flags));
        return;
      case exec.id:
        events.add(eventKind.exec, time, word(exec.tid), word(exec.former), 0);
        return;
      case death.id:
        events.add(eventKind.death, time, word(death.tid), 0, 0);
        return;
      default:
    }
  };
}
