/** `f_type` of statfs(2) (include/uapi/linux/magic.h). */
export const fileSystemMagic = { proc: 0x9fa0, sys: 0x6265_6572 } as const;
