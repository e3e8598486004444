/**
 * Measures native time per evaluation. BPF_PROG_TEST_RUN of a SYSCALL program runs it once, and the system call costs
 * more than the program. This module therefore runs programs as functions of one of type SCHED_CLS, which supports
 * `repeat`. It is never attached.
 *
 * The outer program calls the measured one, unchanged, once for each context of an array in a map: R1 points to the
 * same bytes as for a real context.
 */

import { mapTypes, programTypes } from "../../src/abi/bpf-numbers.ts";
import { type EbpfInstruction, encode } from "../../src/backend/ebpf/instructions/instruction.ts";
import { Attributes, bpf, succeed } from "../../src/machine/bpf/command.ts";
import { BpfMap } from "../../src/machine/bpf/maps.ts";
import { loadProgram } from "../../src/machine/bpf/programs.ts";

export interface TimedProgram {
  /** Nanoseconds for one evaluation, the mean of `repeat` iterations over all contexts. */
  measure(repeat: number): number;
}

/** `maps` are those that the instructions refer to. */
export function timedProgram(
  instructions: readonly EbpfInstruction[],
  maps: readonly BpfMap[],
  contexts: readonly Uint8Array[],
): TimedProgram {
  const stride = contexts[0]!.length;
  const all = new Uint8Array(stride * contexts.length);
  contexts.forEach((context, index) => {
    all.set(context, index * stride);
  });
  const map = new BpfMap({ type: mapTypes.array, keySize: 4, valueSize: all.length, capacity: 1 });
  map.set(new Uint8Array(4), all);

  const caller: EbpfInstruction[] = [];
  const start = 2 * contexts.length + 2;
  contexts.forEach((_, index) => {
    caller.push({
      kind: "wide",
      destination: 1,
      value: { is: "map-value", map: maps.length, offset: index * stride },
    });
    caller.push({ kind: "call-local", target: start });
  });
  caller.push({ kind: "arithmetic", operator: "move", width: 64, destination: 0, source: { immediate: 0 } });
  caller.push({ kind: "exit" });
  const moved = instructions.map((instruction) =>
    "target" in instruction ? { ...instruction, target: instruction.target + start } : instruction,
  );
  const program = loadProgram({
    type: programTypes.schedulerClassifier,
    licence: "GPL",
    instructions: encode([...caller, ...moved], {
      mapDescriptors: [...maps, map].map(({ descriptor }) => descriptor),
      kernelFunction: (name) => {
        throw new Error(`no kernel function ${name}`);
      },
    }),
  });
  return { measure: (repeat) => timedRun(program, repeat) / contexts.length };
}

/** Nanoseconds for one run of the program on a packet, the mean of `repeat` runs. */
function timedRun(program: number, repeat: number): number {
  // `struct { … } test` of `union bpf_attr`; a packet has at least an Ethernet header.
  const packet = new Uint8Array(64);
  const attributes = new Attributes(80).word(0, program).word(8, packet.length).address(16, packet).word(32, repeat);
  succeed("running the program", bpf("testRun", attributes));
  return attributes.view.getUint32(36, true);
}
