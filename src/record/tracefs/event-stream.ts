/**
 * Merges the ring buffers of all processors into one stream of events in the order of time. An event of one buffer can
 * be written later than a younger one of another, so events are held until they are old enough. They are numbers in
 * arrays: objects would cost more than the rest of the recording.
 */
import { callNumber } from "../../linux/call-numbers.ts";
import { native } from "../../linux/native.ts";
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

/** Events by their slot. */
export class HeldEvents {
  #words = new Uint32Array(1024 * eventWords);
  #times = new Float64Array(1024);
  readonly #registers = new Uint32Array(12);
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

  /** The slots in the order of time. Each buffer is in order already, so the sort only merges. */
  inOrder(): number[] {
    const times = this.#times;
    return Array.from({ length: this.count }, (_, slot) => slot).sort((a, b) => times[a]! - times[b]!);
  }

  /** Drops all events but these, which are in ascending order of their slots. */
  retain(slots: readonly number[]): void {
    slots.forEach((slot, index) => {
      this.#words.copyWithin(eventWords * index, eventWords * slot, eventWords * (slot + 1));
      this.#times[index] = this.#times[slot]!;
    });
    this.count = slots.length;
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

export class EventStream {
  readonly #instance: TraceInstance;
  readonly #base: bigint;
  readonly #page: Buffer;
  readonly #view: DataView;
  readonly #reader: PageReader;
  readonly #held = new HeldEvents();

  constructor(instance: TraceInstance, base: bigint) {
    this.#instance = instance;
    this.#base = base;
    this.#page = Buffer.alloc(instance.pageSize);
    this.#view = new DataView(this.#page.buffer, this.#page.byteOffset, this.#page.length);
    this.#reader = {
      event: decoder(instance.formats, this.#held),
      lost: (count, time) => this.#held.add(eventKind.lost, time, 0, count ?? 0, 0),
    };
  }

  /** Calls `before` once, then `take` for each event that has settled, or with `all` for every event. */
  read(all: boolean, before: () => void, take: (events: HeldEvents, slot: number) => void): void {
    const held = this.#held;
    let known: number;
    do {
      const now = Number(process.hrtime.bigint() - this.#base);
      known = this.#readPages();
      before();
      const until = all ? known : Math.min(known, now - settling);
      const later: number[] = [];
      for (const slot of held.inOrder()) {
        if (held.time(slot) <= until) take(held, slot);
        else later.push(slot);
      }
      held.retain(later.sort((a, b) => a - b));
    } while (known !== Number.POSITIVE_INFINITY);
  }

  /** The time up to which all buffers have been read; infinite if all have been read to their ends. */
  #readPages(): number {
    const { syscall } = native();
    const readCall = callNumber("read");
    let known = Number.POSITIVE_INFINITY;
    for (const pipe of this.#instance.pipes) {
      let pages = 0;
      while (pages < mostPages && syscall(readCall, pipe, this.#page, this.#page.length) > 0) {
        readPage(this.#view, this.#base, this.#reader);
        pages++;
      }
      if (pages === mostPages) known = Math.min(known, this.#held.time(this.#held.count - 1));
    }
    return known;
  }
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
