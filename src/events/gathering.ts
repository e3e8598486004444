/**
 * Puts judgements together that are one event for a reader: repetitions of a call, and a search for a file along a list of
 * directories. No call is lost: an event has the number of its calls, and a search all of its paths.
 *
 * Whether a refused path exists is not examined: a lookup by portcullis can block for as long as a hostile file server
 * likes, and takes place in other mounts than the caller's.
 */

import type { ArchitectureName } from "../abi/architecture.ts";
import { registerOf } from "../abi/calls.ts";
import { nameCall } from "../abi/decode.ts";
import { errno as numbers } from "../abi/errno-numbers.ts";
import type { JudgementRecord, PolicyDescription, RecordedMemory } from "./record.ts";

/** Equal calls within this time after an event are counted, in milliseconds. */
const window = 1000;
/** The longest time between two calls of one search, and for all of it, in milliseconds. */
const pause = 100;
const longestSearch = 1000;
const mostPaths = 64;
const mostWindows = 256;
const mostSearches = 64;

/** With these errors execvp(3) and the dynamic linker go on to the next directory; others end the search. */
const continued: ReadonlySet<number> = new Set([numbers.ENOENT, numbers.EACCES, numbers.ENOTDIR]);
const searching: ReadonlySet<string> = new Set(["execve", "execveat", "open", "openat", "openat2"]);

/** The caller provides the time: milliseconds of a clock that does not go back. */
export class Gathering {
  readonly #policy: PolicyDescription;
  readonly #repeats = new Repeats();
  /** By thread. */
  readonly #searches = new Map<number, Search>();

  constructor(policy: PolicyDescription) {
    this.#policy = policy;
  }

  /** The records that become events now. */
  take(record: JudgementRecord, now: number): readonly JudgementRecord[] {
    const passed = this.due(now);
    if (record.verdict === undefined || record.reports.length > 0) return [...passed, record];
    const held = this.#searches.get(record.tid);
    const step = stepOf(this.#policy, record);
    if (held !== undefined) {
      if (step !== undefined && held.goesOn(step)) {
        held.add(step, now);
        return passed;
      }
      passed.push(...this.#release(held, now));
    }
    if (step === undefined || this.#searches.size >= mostSearches) passed.push(...this.#repeat(record, now));
    else this.#searches.set(record.tid, new Search(record, step, now));
    return passed;
  }

  /** The records whose time is over. */
  due(now: number): JudgementRecord[] {
    const ended = [...this.#searches.values()].filter((search) => search.end <= now);
    return [...ended.flatMap((search) => this.#release(search, now)), ...this.#repeats.due(now)];
  }

  /** The time of the next `due`; undefined if nothing is held. */
  get next(): number | undefined {
    const times = [...this.#searches.values()].map(({ end }) => end);
    const { next } = this.#repeats;
    if (next !== undefined) times.push(next);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** All that is held, for the end of a run. */
  drain(now: number): readonly JudgementRecord[] {
    const searches = [...this.#searches.values()].flatMap((search) => this.#release(search, now));
    return [...searches, ...this.#repeats.due(Number.POSITIVE_INFINITY)];
  }

  #release(search: Search, now: number): JudgementRecord[] {
    this.#searches.delete(search.first.tid);
    const { first, paths } = search;
    return paths.length > 1 ? [{ ...first, count: paths.length, paths }] : this.#repeat(first, now);
  }

  #repeat(record: JudgementRecord, now: number): JudgementRecord[] {
    return this.#repeats.take(record, keyOf(this.#policy.architecture, record, memoryKey), now);
  }
}

/** The first of equal records passes at once, the number of the others when the window ends. */
class Repeats {
  /** In the order of their ends. */
  readonly #windows = new Map<string, { readonly end: number; last: JudgementRecord; count: number }>();

  take(record: JudgementRecord, key: string, now: number): JudgementRecord[] {
    const known = this.#windows.get(key);
    if (known !== undefined) {
      known.last = record;
      known.count++;
      return [];
    }
    const evicted = this.#windows.size < mostWindows ? [] : this.#endFirst();
    this.#windows.set(key, { end: now + window, last: record, count: 0 });
    return [...evicted, record];
  }

  due(now: number): JudgementRecord[] {
    const passed: JudgementRecord[] = [];
    while ((this.next ?? Number.POSITIVE_INFINITY) <= now && this.#windows.size > 0) {
      const [key] = this.#windows.keys();
      const sum = this.#endFirst();
      passed.push(...sum);
      // While the repetitions go on, each window has one event.
      if (sum.length > 0 && Number.isFinite(now))
        this.#windows.set(key!, { end: now + window, last: sum[0]!, count: 0 });
    }
    return passed;
  }

  get next(): number | undefined {
    const [first] = this.#windows.values();
    return first?.end;
  }

  #endFirst(): JudgementRecord[] {
    for (const [key, { last, count }] of this.#windows) {
      this.#windows.delete(key);
      return count === 0 ? [] : [count === 1 ? last : { ...last, count }];
    }
    return [];
  }
}

// ── Searches ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A call that can be part of a search. */
interface Step {
  /** Equal for calls that differ in the directory only. */
  readonly key: string;
  readonly path: Uint8Array;
}

class Search {
  readonly first: JudgementRecord;
  readonly paths: Uint8Array[];
  /** Milliseconds. */
  end: number;
  readonly #key: string;
  readonly #latest: number;

  constructor(first: JudgementRecord, { key, path }: Step, now: number) {
    this.first = first;
    this.paths = [path];
    this.end = now + pause;
    this.#key = key;
    this.#latest = now + longestSearch;
  }

  goesOn({ key, path }: Step): boolean {
    const isNew = !this.paths.some((one) => Buffer.compare(one, path) === 0);
    return key === this.#key && isNew && this.paths.length < mostPaths;
  }

  add({ path }: Step, now: number): void {
    this.paths.push(path);
    this.end = Math.min(now + pause, this.#latest);
  }
}

function stepOf(policy: PolicyDescription, record: JudgementRecord): Step | undefined {
  if (typeof record.verdict !== "number" || record.audit || record.notKilled !== undefined) return undefined;
  const verdict = policy.verdicts[record.verdict];
  if (verdict?.action !== "deny" || !continued.has(record.errno ?? verdict.errno)) return undefined;
  const { name } = nameCall(policy.architecture, record.architecture, record.number);
  const behind = record.memory?.find((one) => one.name === "path");
  if (!searching.has(name) || behind?.memory.is !== "text" || behind.isCut) return undefined;
  const path = behind.memory.bytes;
  const directory = path.lastIndexOf(slash) + 1;
  if (directory === 0 || directory === path.length) return undefined;
  const key = keyOf(policy.architecture, record, (one) =>
    one === behind ? text(path.subarray(directory)) : memoryKey(one),
  );
  return { key, path };
}

const slash = 0x2f;

// ── Equality ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Equal for records whose events differ in the time and the thread only. */
function keyOf(
  architecture: ArchitectureName,
  record: JudgementRecord,
  keyOfMemory: (memory: RecordedMemory) => string,
): string {
  const { pid, number, verdict, errno, audit, notKilled, phases, command, memory = [] } = record;
  const { obstacle, pin, enter, late, hold, answered } = record;
  const { name, call } = nameCall(architecture, record.architecture, number);
  const shown = new Set(memory.map((one) => one.name));
  const registers =
    call === undefined
      ? record.arguments
      : call.parameters.map((parameter, index) => {
          const register = record.arguments[registerOf(call, index, architecture)] ?? 0n;
          return shown.has(parameter.name) ? "" : BigInt.asUintN(parameter.width, register);
        });
  const judged = [pid, name, verdict, errno, audit, notKilled, phases, command, answered];
  const plain = [...judged, obstacle, pin, enter, late, hold];
  return [JSON.stringify(plain), ...registers, ...memory.map(keyOfMemory)].join("\n");
}

function memoryKey({ memory, isCut }: RecordedMemory): string {
  switch (memory.is) {
    case "text":
    case "structure":
      return `${isCut} ${text(memory.bytes)}`;
    case "address":
      return `${isCut} ${memory.controlLength} ${text(memory.bytes)}`;
    case "strings":
      return `${isCut} ${memory.entries.map((entry) => `${entry.isCut} ${text(entry.bytes)}`).join("\0")}`;
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
