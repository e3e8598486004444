/** Reads the memory that a program's observations name, and converts it to the form of the event's record. */

import { hostArchitecture } from "../../abi/architecture.ts";
import { copyError } from "../../abi/copy-errors.ts";
import { environmentArgument, looksSecret, type ShownEntry, withoutValue } from "../../abi/environment.ts";
import { nullPointer } from "../../abi/null-pointers.ts";
import type { RefusingPatterns } from "../../analysis/refused-entries.ts";
import { longestRecordedText, mostRecordedEntries, type RecordedMemory } from "../../events/record.ts";
import { errnoOfTooLong, type Shape } from "../../ir/observation.ts";
import type { Memory, Observer as MemoryObserver, ObservationOfCall } from "../../ir/observe.ts";
import { ObservationFailure, type Observer } from "./pin/observer.ts";

const absent: Memory = { is: "absent" };
const noBytes = new Uint8Array(0);

/** Reads the memory of one observation. The result is part of the image that the call is made with. */
export function readMemory(observer: Observer, { observation, source }: ObservationOfCall): Memory {
  const { shape } = observation;
  const { number, register, length } = source;
  if (observer.argument(register) === 0n) {
    const word = (index: number) => ({ value: observer.argument(index), unknown: 0n });
    const meaning = nullPointer(hostArchitecture()!, number, register, word);
    // The judgement is the same on all kernels, so none of them may read address 0.
    if (meaning === "empty-path") observer.emptyText(register);
    if (meaning === "empty-path" || meaning === "absent") return absent;
  }
  switch (shape.is) {
    case "path":
      return bytesOf(observer.text(register));
    case "string": {
      const read = observer.text(register, shape.bytes);
      const isTooLong = read instanceof ObservationFailure && read.errno === copyError.longPath;
      return isTooLong ? { is: "failed", errno: errnoOfTooLong(shape) } : bytesOf(read);
    }
    case "address":
      return bytesOf(observer.address(register, length!));
    case "message": {
      const read = observer.message(register);
      if (read instanceof ObservationFailure) return failed(read);
      return { is: "bytes", bytes: read.name ?? noBytes, controlLength: read.controlLength };
    }
    case "strings": {
      const read = observer.vector(register, { count: shape.entries, bytes: shape.bytes });
      return read instanceof ObservationFailure ? failed(read) : { is: "strings", entries: read };
    }
    case "structure": {
      const bounds = { least: shape.minimum };
      return bytesOf(
        length === undefined ? observer.selfSized(register, bounds) : observer.structure(register, length, bounds),
      );
    }
  }
}

function bytesOf(read: Uint8Array | ObservationFailure): Memory {
  return read instanceof ObservationFailure ? failed(read) : { is: "bytes", bytes: read };
}

function failed(failure: ObservationFailure): Memory {
  return { is: "failed", errno: failure.errno };
}

/** What was read for each of a call's observations. */
export interface MemoryOfCall {
  readonly observations: readonly ObservationOfCall[];
  readonly memory: readonly Memory[];
}

/** The memory as an event may show it: variables of an environment without their values, except a refused one's. */
export class MemoryRecorder {
  readonly #observer: MemoryObserver;
  readonly #refusing: RefusingPatterns;

  constructor(observer: MemoryObserver, refusing: RefusingPatterns) {
    this.#observer = observer;
    this.#refusing = refusing;
  }

  /** `verdict` is that of the call with this memory: an index into `Program.verdicts`. */
  record({ observations, memory }: MemoryOfCall, verdict: number): readonly RecordedMemory[] {
    return observations.flatMap((one, index) => {
      const read = memory[index]!;
      const isEnvironment = read.is === "strings" && one.observation.name === environmentArgument;
      return isEnvironment ? [this.#environment(one, read.entries, verdict)] : recordOf(one, read);
    });
  }

  #environment(
    { index, observation: { name } }: ObservationOfCall,
    entries: readonly Uint8Array[],
    verdict: number,
  ): RecordedMemory {
    const matching = this.#observer.matching(index, entries, this.#refusing.get(verdict) ?? []);
    const refused = new Set(matching.slice(0, mostRecordedEntries));
    const show = (entry: Uint8Array) =>
      refused.has(entry) && !looksSecret(entry) ? shortened(entry) : shortened(withoutValue(entry).bytes, true);
    return {
      name,
      memory: {
        is: "strings",
        entries: entries.slice(0, mostRecordedEntries).map(show),
        ...(refused.size === 0 ? {} : { refused: [...refused].map(show) }),
      },
      isCut: entries.length > mostRecordedEntries,
    };
  }
}

function shortened(entry: Uint8Array, isCut = entry.length > longestRecordedText): ShownEntry {
  return { bytes: entry.slice(0, longestRecordedText), isCut };
}

function recordOf({ observation: { name, shape } }: ObservationOfCall, read: Memory): RecordedMemory[] {
  switch (read.is) {
    case "absent":
    case "failed":
      return [];
    case "bytes": {
      const bytes = read.bytes.slice(0, longestRecordedText);
      const isCut = read.bytes.length > longestRecordedText;
      const is = recordedAs(shape);
      if (is !== "address" || read.controlLength === undefined) return [{ name, memory: { is, bytes }, isCut }];
      return [{ name, memory: { is, bytes, controlLength: read.controlLength }, isCut }];
    }
    case "strings": {
      const entries = read.entries.slice(0, mostRecordedEntries).map((entry) => shortened(entry));
      return [{ name, memory: { is: "strings", entries }, isCut: read.entries.length > mostRecordedEntries }];
    }
  }
}

function recordedAs(shape: Shape): "text" | "address" | "structure" {
  switch (shape.is) {
    case "path":
    case "string":
    case "strings":
      return "text";
    case "address":
    case "message":
      return "address";
    case "structure":
      return "structure";
  }
}

/** The flags in clone3's structure. */
export function cloneFlagsIn([structure]: readonly Memory[]): bigint {
  if (structure?.is !== "bytes") return 0n;
  const { buffer, byteOffset, byteLength } = structure.bytes;
  return new DataView(buffer, byteOffset, byteLength).getBigUint64(0, true);
}
