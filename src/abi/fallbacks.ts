/**
 * Calls that C libraries and programs try before an older one, to which they fall back on ENOSYS only (glibc ≥ 2.34,
 * musl, Go).
 */
export const fallbacks = {
  clone3: "clone",
  faccessat2: "faccessat",
  fchmodat2: "fchmodat",
  statx: "newfstatat",
  openat2: "openat",
} as const;
