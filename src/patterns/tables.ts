/** An automaton's tables as bytes, as compiled forms read them: the same for each engine, little-endian. */
import type { Automaton } from "./automaton.ts";

export interface AutomatonTables {
  readonly bytes: Uint8Array;
  /** Offsets: a byte for each byte, its class; */
  readonly classes: 0;
  /** u16 [state × classCount + class], the next state; */
  readonly transitions: number;
  /** u16 [state], the accept set. */
  readonly accepts: number;
}

export function automatonTables({ classes, transitions, accepts }: Automaton): AutomatonTables {
  const at = { classes: 0, transitions: classes.length, accepts: classes.length + 2 * transitions.length } as const;
  const bytes = new Uint8Array(at.accepts + 2 * accepts.length);
  const view = new DataView(bytes.buffer);
  bytes.set(classes);
  for (const [index, state] of transitions.entries()) view.setUint16(at.transitions + 2 * index, state, true);
  for (const [state, set] of accepts.entries()) view.setUint16(at.accepts + 2 * state, set, true);
  return { bytes, ...at };
}
