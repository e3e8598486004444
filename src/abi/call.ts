/** Types of the generated tables of calls, names and rewrites. */
import type { ArchitectureName } from "./architecture.ts";

/**
 * An entry of the generated system call table (`generated/calls.ts`), one for each call of any supported architecture.
 */
export interface CallDescription {
  readonly name: string;
  /** The call's number on each architecture that has it. */
  readonly number: { readonly [A in ArchitectureName]?: number };
  /** The kernel's declaration: `openat(int dfd, const char *filename, int flags, umode_t mode)`. */
  readonly prototype: string;
  readonly parameters: readonly CallParameter[];
}

export interface CallParameter {
  /** The name in policies: the kernel's, made uniform (path, addr, dirfd, flags). */
  readonly name: string;
  /** Other names (the kernel's, the manual's), for "did you mean". */
  readonly aliases: readonly string[];
  /** The kernel's C type. */
  readonly type: string;
  /** The number of low bits of the register that the kernel uses, and how it reads them. */
  readonly width: 16 | 32 | 64;
  readonly signed: boolean;
  /**
   * The argument register, 0 … 5, on architectures where it differs from the parameter's position. Only clone's last
   * two differ (CONFIG_CLONE_BACKWARDS of arm64, kernel/fork.c). Use `registerOf` in calls.ts.
   */
  readonly register?: { readonly [A in ArchitectureName]?: number };
  readonly kind: ArgumentKind;
}

/** The type of an argument in policies; `flags` and `choice` name a set of `generated/flags.ts`. */
export type ArgumentKind =
  | { readonly is: "integer" }
  | { readonly is: "pointer" }
  | { readonly is: "flags"; readonly set: string }
  | { readonly is: "choice"; readonly set: string };

/**
 * A set of names for an argument's bits or values (`generated/flags.ts`), such as `OpenFlag`.
 *
 * A name stands for a value under a mask. O_CREAT is one bit under its own mask; O_RDONLY is 0 under O_ACCMODE;
 * SOCK_STREAM is 1 under SOCK_TYPE_MASK; O_TMPFILE is two bits under its own mask. The members of a choice have the mask
 * 2^64 − 1, the whole argument. If an architecture lacks a name, both are absent.
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
 * A change that the kernel makes to an argument before it uses it (`generated/rewrites.ts`): if all of `when` holds, it
 * clears some bits, then sets some. An argument's rewrites apply in order.
 */
export interface Rewrite {
  readonly when: readonly RewriteCondition[];
  readonly clear: bigint;
  readonly set: bigint;
}

export interface RewriteCondition {
  /** The policy's name of the tested argument: the argument itself, or another of the call without rewrites. */
  readonly parameter: string;
  readonly mask: bigint;
  /** The possible values of the bits under the mask. */
  readonly values: readonly bigint[];
}
