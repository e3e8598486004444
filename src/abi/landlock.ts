/**
 * The access rights of Landlock and the ABI levels that have them (include/uapi/linux/landlock.h,
 * Documentation/userspace-api/landlock.rst). `native/launcher/layers.c` has the same levels.
 */

/** `LANDLOCK_ACCESS_FS_…`: the bit of each right, and the first ABI level that has it. */
export const fileRights = {
  execute: { bit: 0, abi: 1 },
  "write-file": { bit: 1, abi: 1 },
  "read-file": { bit: 2, abi: 1 },
  "read-dir": { bit: 3, abi: 1 },
  "remove-dir": { bit: 4, abi: 1 },
  "remove-file": { bit: 5, abi: 1 },
  "make-char": { bit: 6, abi: 1 },
  "make-dir": { bit: 7, abi: 1 },
  "make-reg": { bit: 8, abi: 1 },
  "make-sock": { bit: 9, abi: 1 },
  "make-fifo": { bit: 10, abi: 1 },
  "make-block": { bit: 11, abi: 1 },
  "make-sym": { bit: 12, abi: 1 },
  refer: { bit: 13, abi: 2 },
  truncate: { bit: 14, abi: 3 },
  "ioctl-dev": { bit: 15, abi: 5 },
  "resolve-unix": { bit: 16, abi: 9 },
} as const;
export type FileRight = keyof typeof fileRights;

/** `LANDLOCK_ACCESS_NET_…`. */
export const portRights = {
  "bind-tcp": { bit: 0, abi: 4 },
  "connect-tcp": { bit: 1, abi: 4 },
  "bind-udp": { bit: 2, abi: 10 },
  "connect-send-udp": { bit: 3, abi: 10 },
} as const;
export type PortRight = keyof typeof portRights;

/** `LANDLOCK_SCOPE_…`. */
export const scopeRights = {
  "abstract-socket": { bit: 0, abi: 6 },
  signal: { bit: 1, abi: 6 },
} as const;
export type ScopeRight = keyof typeof scopeRights;

/** Rights that a rule can grant to a file that is no directory; the others are about entries of a directory. */
export const rightsOfFiles: ReadonlySet<FileRight> = new Set([
  "execute",
  "write-file",
  "read-file",
  "truncate",
  "ioctl-dev",
  "resolve-unix",
]);

/** The first kernel of each ABI level; the index is the level. Level 0: none. Levels 7, 8 and 11 have no right of their own. */
export const kernelOfAbi = [
  ...["", "5.13", "5.19", "6.2", "6.7", "6.10", "6.12", "6.15", "7.0", "7.1", "7.2", "7.3"],
] as const;

export const newestAbi = kernelOfAbi.length - 1;

/** The mask of some rights. */
export function maskOf<Right extends string>(
  table: Readonly<Record<Right, { readonly bit: number }>>,
  rights: Iterable<Right>,
): bigint {
  let mask = 0n;
  for (const right of rights) mask |= 1n << BigInt(table[right].bit);
  return mask;
}

/** These rights in the table's order, each once: so equal sets are equal lists. */
export function inOrder<Right extends string>(
  table: Readonly<Record<Right, unknown>>,
  rights: Iterable<Right>,
): readonly Right[] {
  const given = new Set(rights);
  return (Object.keys(table) as Right[]).filter((right) => given.has(right));
}
