/** Runs a function that matches texts, on the tests' interpreter or on the running kernel. */
import {
  BpfMap,
  loadProgram,
  mapFlags,
  mapTypes,
  programFlags,
  programInfo,
  programTypes,
  TestRun,
} from "../../../linux/bpf.ts";
import { close } from "../../../linux/descriptors.ts";
import type { Match } from "../automata/form.ts";
import { type EbpfInstruction, encode } from "../instructions/instruction.ts";
import { runEbpf } from "./interpreter.ts";

/** Where the forms find their tables. */
export const tablesPlace = { map: 1, offset: 0 } as const;

/** The text lies behind its length in the value of an array map, which ends with the room. */
const textOffset = 8;

export interface Matcher {
  match(text: Uint8Array): number;
}

/** Calls the function with the text; without `call` the program ends where the function does. */
export function matchProgram({ code }: Match, call: boolean): EbpfInstruction[] {
  const head: EbpfInstruction[] = [
    { kind: "wide", destination: 1, value: { is: "map-value", map: 0, offset: 0 } },
    { kind: "load", size: 4, destination: 2, base: 1, offset: 0 },
    { kind: "arithmetic", operator: "add", width: 64, destination: 1, source: { immediate: textOffset } },
  ];
  if (call) head.push({ kind: "call-local", target: head.length + 2 }, { kind: "exit" });
  return [...head, ...code.at(head.length)];
}

/** The maps that the program names: one that holds a text of up to `room` bytes, and the tables, for ever. */
export function matchMaps(match: Match, room: number): readonly [BpfMap, BpfMap] {
  const tables = match.tables ?? new Uint8Array(8);
  const make = (valueSize: number, flags: number) =>
    new BpfMap({ type: mapTypes.array, keySize: 4, valueSize, capacity: 1, flags });
  const constant = make(tables.length, mapFlags.readOnlyForPrograms);
  constant.set(new Uint8Array(4), tables);
  constant.freeze();
  return [make(textOffset + room, 0), constant];
}

/** Fills the map's value; what is behind the text is left as the last one left it. */
function fill(value: Uint8Array, text: Uint8Array): void {
  new DataView(value.buffer).setUint32(0, text.length, true);
  value.set(text.subarray(0, value.length - textOffset), textOffset);
}

export function interpretedMatcher(match: Match, room: number): Matcher & { readonly executed: () => number } {
  const value = new Uint8Array(textOffset + room);
  const tables = match.tables ?? new Uint8Array(8);
  const maps = [value, tables].map((bytes) => ({ bytes, valueSize: bytes.length }));
  const instructions = matchProgram(match, true);
  let executed = 0;
  return {
    executed: () => executed,
    match(text) {
      fill(value, text);
      const run = runEbpf(instructions, { context: new Uint8Array(8), maps });
      executed = run.executed;
      return run.result | 0;
    },
  };
}

export class KernelMatcher implements Matcher {
  readonly #value: Uint8Array;
  readonly #maps: readonly BpfMap[];
  readonly #program: number;
  readonly #run: TestRun;

  /** Throws a VerifierError where the kernel refuses the function. */
  constructor(match: Match, room: number) {
    this.#value = new Uint8Array(textOffset + room);
    this.#maps = matchMaps(match, room);
    const kernelFunction = (name: string): number => {
      throw new Error(`no kernel function ${name}`);
    };
    try {
      this.#program = loadProgram({
        type: programTypes.systemCall,
        flags: programFlags.sleepable,
        licence: "GPL",
        instructions: encode(matchProgram(match, true), {
          mapDescriptors: this.#maps.map(({ descriptor }) => descriptor),
          kernelFunction,
        }),
      });
    } catch (error) {
      for (const { descriptor } of this.#maps) close(descriptor);
      throw error;
    }
    this.#run = new TestRun(this.#program, new Uint8Array(8));
  }

  /** How many instructions the verifier walked. */
  get verified(): number {
    return programInfo(this.#program).verifiedInstructions;
  }

  match(text: Uint8Array): number {
    fill(this.#value, text);
    this.#maps[0]!.set(new Uint8Array(4), this.#value);
    return this.#run.run() | 0;
  }

  close(): void {
    close(this.#program);
    for (const { descriptor } of this.#maps) close(descriptor);
  }
}
