/**
 * The errno numbers that portcullis itself uses, without the full table (errno.ts; errno(3)), which a start need not
 * load.
 */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  ENOTDIR: 20,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  EINPROGRESS: 115,
  ECANCELED: 125,
} as const;

/** Numbers of the kernel's own, which errno(3) does not have (include/linux/errno.h). */
export const kernelErrno = {
  /** The kernel restarts the call, and does not report it. */
  ERESTARTSYS: 512,
  ERESTARTNOINTR: 513,
  ERESTARTNOHAND: 514,
  /** bpf(2) lets it out. */
  ENOTSUPP: 524,
} as const;
