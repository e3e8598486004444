/** The errno numbers that portcullis itself uses: a start needs them without the table of all (errno.ts; errno(3)). */
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
