/** A model of the kernel's `bpf_seccomp_arg_match()` (kernel/seccomp_args.c in kernel/patches), on the bytes of a table. */

/**
 * The bytes that a filter may match for one call: `SECCOMP_EBPF_MATCH_MAX`, with `SECCOMP_EBPF_LOCK`
 * `SECCOMP_EBPF_MATCH_MAX_LOCKED`; each string takes `SECCOMP_MATCH_TEXT` more.
 */
export class Budget {
  left: number;

  constructor(locked: boolean) {
    this.left = (locked ? 32 : 256) * 1024;
  }
}
const perText = 16;

const [enoent, e2big, einval] = [-2n, -7n, -22n];
const header = 280;

/** The bits that the automaton at the start of these bytes has for any of the texts, or a negative errno. */
export function matchTexts(table: Uint8Array, texts: readonly Uint8Array[], budget: Budget): bigint {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  if (table.length < header) return einval;
  const [states, classes, start, settled] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  const isSound = states > 0 && states <= 0x1_0000 && classes > 0 && classes <= 256 && start < states;
  const cells = states * classes;
  if (!isSound || view.getBigUint64(16, true) !== 0n || table.length < header + 8 * states + 2 * cells) return einval;

  let bits: bigint | undefined;
  for (const text of texts) {
    if (budget.left < perText) return e2big;
    budget.left -= perText;
    const most = Math.min(text.length, budget.left);
    let [at, state] = [0, start];
    for (; at < most && state >= settled; at += 1) {
      const cell = state * classes + view.getUint8(24 + text[at]!);
      if (cell >= cells) return einval;
      state = view.getUint16(header + 8 * states + 2 * cell, true);
    }
    budget.left -= at;
    if (state >= states) return einval;
    if (state >= settled && at < text.length) return e2big;
    bits = (bits ?? 0n) | BigInt.asUintN(63, view.getBigUint64(header + 8 * state, true));
  }
  return bits ?? enoent;
}
