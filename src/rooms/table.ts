/**
 * The calls in rooms, and the waiting calls: the definition of admission for all engines. Pure: the caller gives the time.
 *
 * - A call takes its rooms in ascending order, and holds those that it has while it waits for the next. So two calls never
 *   wait for each other.
 * - A room admits a call if no call waits before it, and the room is empty or held by calls of the same side that is not
 *   exclusive. So no waiter is overtaken, and each is admitted when those before it have ended.
 * - A wait that reaches the room's timeout ends: the call is late and releases what it holds. Each room has its own time.
 * - A call leaves all rooms when it has ended, when a signal interrupts its wait, and when its task dies.
 */
import type { Room } from "../ir/program.ts";

/** The properties of a room on which admission depends. */
export type RoomRule = Pick<Room, "exclusive" | "timeout">;

export interface RoomRequest {
  /** An index into the rules. */
  readonly room: number;
  readonly side: number;
  /** The process, the address space, or one value for the whole tree: each owner has its own room. */
  readonly owner: unknown;
}

/** The outcome of a call: it may run now, or it has waited too long for this room and holds no room. */
export type Outcome<Call> =
  | { readonly is: "admitted"; readonly call: Call }
  | { readonly is: "late"; readonly call: Call; readonly room: number };

interface Entry<Call> {
  readonly call: Call;
  /** In ascending order of rooms. */
  readonly requests: readonly RoomRequest[];
  /** The places of its first requests: all that it holds, and last the one that it waits for, if it waits. */
  readonly places: Place<Call>[];
  /** The time at which its wait ends; valid only while it waits. */
  deadline: bigint;
}

/** The room of one owner. */
interface Place<Call> {
  readonly room: number;
  readonly owner: unknown;
  readonly rule: RoomRule;
  /** All of one side. */
  readonly holders: Set<Entry<Call>>;
  side: number;
  /** In the order of arrival. */
  readonly queue: { readonly entry: Entry<Call>; readonly side: number }[];
}

export class RoomTable<Call> {
  readonly #rules: readonly RoomRule[];
  /** By room, then by owner; those that are held or awaited. */
  readonly #places: readonly Map<unknown, Place<Call>>[];
  readonly #entries = new Map<Call, Entry<Call>>();
  readonly #waiting = new Set<Entry<Call>>();

  constructor(rules: readonly RoomRule[]) {
    this.#rules = rules;
    this.#places = rules.map(() => new Map());
  }

  /** No call holds or awaits a room. */
  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#places.every((places) => places.size === 0);
  }

  /** When `expire` has something to do; undefined if no call waits. */
  get deadline(): bigint | undefined {
    let first: bigint | undefined;
    for (const { deadline } of this.#waiting) if (first === undefined || deadline < first) first = deadline;
    return first;
  }

  /** Whether the call runs in its rooms or waits for one; undefined if it has left, or was late. */
  stateOf(call: Call): "holds" | "waits" | undefined {
    const entry = this.#entries.get(call);
    if (entry === undefined) return undefined;
    return this.#waiting.has(entry) ? "waits" : "holds";
  }

  /** The room that a call waits for, and the calls that are admitted or leave before it can be: holders, then waiters. */
  waitOf(call: Call): { readonly room: number; readonly behind: readonly Call[] } | undefined {
    const entry = this.#entries.get(call);
    if (entry === undefined || !this.#waiting.has(entry)) return undefined;
    const { room, holders, queue } = entry.places.at(-1)!;
    const before = queue.slice(
      0,
      queue.findIndex((waiter) => waiter.entry === entry),
    );
    return { room, behind: [...holders, ...before.map((waiter) => waiter.entry)].map((one) => one.call) };
  }

  /** A call asks for its rooms, at most one side of each. Returns what becomes of it and others now. */
  enter(call: Call, requests: readonly RoomRequest[], now: bigint): readonly Outcome<Call>[] {
    if (this.#entries.has(call)) throw new Error("the call is in the table already");
    const outcomes = [...this.expire(now)];
    const ordered = [...requests].sort((a, b) => a.room - b.room);
    const entry: Entry<Call> = { call, requests: ordered, places: [], deadline: 0n };
    this.#entries.set(call, entry);
    this.#proceed(entry, now, outcomes);
    return outcomes;
  }

  /** A call has ended, was interrupted, or its task has died. A call that the table does not know changes nothing. */
  leave(call: Call, now: bigint): readonly Outcome<Call>[] {
    const outcomes = [...this.expire(now)];
    const entry = this.#entries.get(call);
    if (entry !== undefined) this.#remove([entry], now, outcomes);
    return outcomes;
  }

  /** Ends the waits whose time has come. */
  expire(now: bigint): readonly Outcome<Call>[] {
    const expired = [...this.#waiting].filter(({ deadline }) => deadline <= now);
    const outcomes = expired.map(
      ({ call, places }): Outcome<Call> => ({ is: "late", call, room: places.at(-1)!.room }),
    );
    if (expired.length > 0) this.#remove(expired, now, outcomes);
    return outcomes;
  }

  #place({ room, owner }: RoomRequest): Place<Call> {
    const places = this.#places[room]!;
    let place = places.get(owner);
    if (place === undefined) {
      place = { room, owner, rule: this.#rules[room]!, holders: new Set(), side: 0, queue: [] };
      places.set(owner, place);
    }
    return place;
  }

  /** Takes the rooms that admit the call, up to one that it has to wait for. */
  #proceed(entry: Entry<Call>, now: bigint, outcomes: Outcome<Call>[]): void {
    for (const request of entry.requests.slice(entry.places.length)) {
      const place = this.#place(request);
      entry.places.push(place);
      if (place.queue.length > 0 || !fits(place, request.side)) {
        entry.deadline = now + place.rule.timeout;
        place.queue.push({ entry, side: request.side });
        this.#waiting.add(entry);
        return;
      }
      take(place, entry, request.side);
    }
    outcomes.push({ is: "admitted", call: entry.call });
  }

  /** First all of them leave, then others are admitted. */
  #remove(entries: readonly Entry<Call>[], now: bigint, outcomes: Outcome<Call>[]): void {
    const places = new Set<Place<Call>>();
    for (const entry of entries) {
      this.#entries.delete(entry.call);
      this.#waiting.delete(entry);
      for (const place of entry.places) {
        places.add(place);
        place.holders.delete(entry);
        const index = place.queue.findIndex((waiter) => waiter.entry === entry);
        if (index >= 0) place.queue.splice(index, 1);
      }
    }
    for (const place of places) this.#admit(place, now, outcomes);
  }

  /** Admits from the head of the queue, and forgets a place that is empty. */
  #admit(place: Place<Call>, now: bigint, outcomes: Outcome<Call>[]): void {
    for (let head = place.queue[0]; head !== undefined && fits(place, head.side); head = place.queue[0]) {
      place.queue.shift();
      this.#waiting.delete(head.entry);
      take(place, head.entry, head.side);
      this.#proceed(head.entry, now, outcomes);
    }
    if (place.holders.size + place.queue.length === 0) this.#places[place.room]!.delete(place.owner);
  }
}

function fits<Call>({ rule, holders, side }: Place<Call>, wanted: number): boolean {
  return holders.size === 0 || (side === wanted && ((rule.exclusive >>> side) & 1) === 0);
}

function take<Call>(place: Place<Call>, entry: Entry<Call>, side: number): void {
  place.side = side;
  place.holders.add(entry);
}
