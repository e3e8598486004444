/** The return word of a seccomp filter: an action in the upper half, its data in the lower (seccomp(2)). */

/** `SECCOMP_RET_…` (include/uapi/linux/seccomp.h). */
export const returnAction = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0x0000_0000,
  TRAP: 0x0003_0000,
  ERRNO: 0x0005_0000,
  USER_NOTIF: 0x7fc0_0000,
  TRACE: 0x7ff0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
} as const;

export type ReturnAction = keyof typeof returnAction;

/** `data` has 16 bits: the errno of ERRNO, a message for TRACE and TRAP, ignored by the others. */
export function returnWord(action: ReturnAction, data = 0): number {
  if (!Number.isInteger(data) || data < 0 || data > 0xffff) throw new RangeError(`${data} does not fit 16 bits`);
  return (returnAction[action] | data) >>> 0;
}

/** The action of a word; undefined if the kernel does not know it (it then kills the process). */
export function splitReturnWord(word: number): { readonly action: ReturnAction | undefined; readonly data: number } {
  const upper = (word & 0xffff_0000) >>> 0;
  const action = (Object.keys(returnAction) as ReturnAction[]).find((name) => returnAction[name] === upper);
  return { action, data: word & 0xffff };
}
