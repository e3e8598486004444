/**
 * An automaton in the layout that the kernel's `bpf_seccomp_arg_match()` takes: `struct seccomp_ebpf_dfa`
 * (include/uapi/linux/seccomp.h with kernel/patches) and its two tables, little-endian:
 *
 * ```
 *   0  u32 states, u32 classes, u32 start, u32 settled
 *  16  u64 flags                 0
 *  24  u8 class[256]             the class of each byte
 * 280  u64 accept[states]        the patterns that match, a bit each
 *      u16 next[states * classes]
 * ```
 */
import type { Automaton } from "../../../patterns/automaton.ts";

const layout = { states: 0, classes: 4, start: 8, settled: 12, flags: 16, class: 24, accept: 280 } as const;

/** The argument of `bpf_seccomp_arg_match()` that selects all parts instead of one. */
export const allParts = -1;

/** In a map's value, it begins at a multiple of 8. */
export function matchTable(automaton: Automaton): Uint8Array {
  const { classes, classCount, stateCount, transitions, start, settled, accepts, acceptSets } = automaton;
  const next = layout.accept + 8 * stateCount;
  const view = new DataView(new ArrayBuffer(next + 2 * transitions.length));
  view.setUint32(layout.states, stateCount, true);
  view.setUint32(layout.classes, classCount, true);
  view.setUint32(layout.start, start, true);
  view.setUint32(layout.settled, settled, true);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(classes, layout.class);
  accepts.forEach((set, state) => {
    view.setBigUint64(layout.accept + 8 * state, acceptSets[set]!, true);
  });
  transitions.forEach((to, cell) => {
    view.setUint16(next + 2 * cell, to, true);
  });
  return bytes;
}
