/**
 * The errno numbers that portcullis itself uses, without the full table (errno.ts; errno(3)), which a start need not
 * load.
 */
export const errno = {
  EPERM: 1,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  EFAULT: 14,
  EINVAL: 22,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
} as const;
