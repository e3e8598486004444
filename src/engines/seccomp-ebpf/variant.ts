/** The facts about a machine that the compiler for `seccomp-ebpf` needs, as `Availability.variant`. */

export interface Variant {
  /** Without CAP_BPF: programs have at most 4,096 instructions. */
  readonly unprivileged: boolean;
  /** The kernel copies and matches arguments of calls; patches 1 to 27 of the series alone do not. */
  readonly memory: boolean;
}

export function printVariant({ unprivileged, memory }: Variant): string {
  return `${unprivileged ? "unprivileged" : "privileged"}${memory ? "" : withoutMemory}`;
}

export function readVariant(variant: string): Variant {
  return { unprivileged: variant.startsWith("unprivileged"), memory: !variant.endsWith(withoutMemory) };
}

const withoutMemory = ", without memory";
