/** The facts about a machine that the compiler for `seccomp-ebpf` needs, as `Availability.variant`. */

export interface Variant {
  /** Without CAP_BPF: programs have at most 4,096 instructions. */
  readonly unprivileged: boolean;
  /** The kernel copies and matches arguments of calls; the series does so from patch 66 on. */
  readonly memory: boolean;
}

export function printVariant({ unprivileged, memory }: Variant): string {
  return `${unprivileged ? "unprivileged" : "privileged"}${memory ? "" : withoutMemory}`;
}

export function readVariant(variant: string): Variant {
  return { unprivileged: variant.startsWith("unprivileged"), memory: !variant.endsWith(withoutMemory) };
}

const withoutMemory = ", without memory";
