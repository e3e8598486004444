/** CLONE_THREAD (include/uapi/linux/sched.h): of the flags of clone, the one that says thread and not process. */
export const cloneThread = 0x0001_0000n;
