import type { ArchitectureName } from "./architecture.ts";

/**
 * The shape of the generated system call table (`generated/calls.ts`). One entry a call, for every call that any of our
 * architectures has.
 */
export interface CallDescription {
  readonly name: string;
  /** The call's number where the architecture has it. */
  readonly number: { readonly [A in ArchitectureName]?: number };
  /** As the kernel declares it: `openat(int dfd, const char *filename, int flags, umode_t mode)`. */
  readonly prototype: string;
  readonly parameters: readonly CallParameter[];
}

export interface CallParameter {
  /** The name a policy uses (the kernel's made uniform: path, addr, dirfd, flags). */
  readonly name: string;
  /** Other names people know it by (the kernel's, the manual's), for "did you mean". */
  readonly aliases: readonly string[];
  /** The kernel's C type. */
  readonly type: string;
  /** How many low bits of the register the kernel uses, and how it reads them. */
  readonly width: 16 | 32 | 64;
  readonly signed: boolean;
  /**
   * The argument register, 0 … 5, on architectures where it is not this parameter's position in `parameters`. Only
   * clone's last two differ (CONFIG_CLONE_BACKWARDS of arm64, kernel/fork.c). `registerOf` in calls.ts reads it.
   */
  readonly register?: { readonly [A in ArchitectureName]?: number };
  /** What a policy may ask of it; `flags` and `choice` name a set of `generated/flags.ts`. */
  readonly kind:
    | { readonly is: "integer" }
    | { readonly is: "pointer" }
    | { readonly is: "flags"; readonly set: string }
    | { readonly is: "choice"; readonly set: string };
}

/**
 * A set of names for an argument's bits or values (`generated/flags.ts`), such as `OpenFlag`.
 *
 * A name asks what it means: its bits under its mask. O_CREAT is one bit under its own mask; O_RDONLY is 0 under
 * O_ACCMODE; SOCK_STREAM is 1 under SOCK_TYPE_MASK; O_TMPFILE is two bits, both under its own mask. The members of a
 * choice have the mask 2^64 − 1: the whole argument. Where an architecture lacks a name, both are absent.
 */
export interface NameSet {
  readonly name: string;
  readonly members: readonly {
    readonly name: string;
    readonly value: { readonly [A in ArchitectureName]?: bigint };
    readonly mask: { readonly [A in ArchitectureName]?: bigint };
  }[];
}

/**
 * What the kernel makes of an argument before it uses it (`generated/rewrites.ts`): where all of `when` holds, it clears
 * some bits and then sets some. Of an argument's rewrites each sees what those before it leave.
 */
export interface Rewrite {
  readonly when: readonly RewriteCondition[];
  readonly clear: bigint;
  readonly set: bigint;
}

export interface RewriteCondition {
  /** The policy's name of it: the argument itself, or another of the same call, which no rewrite changes. */
  readonly parameter: string;
  readonly mask: bigint;
  /** What the bits under the mask may be. */
  readonly values: readonly bigint[];
}
