/** The offsets of `struct seccomp_data` (include/uapi/linux/seccomp.h), with which every target's context starts. */
export const seccompData = {
  number: { offset: 0, size: 4 },
  instructionPointer: { offset: 8, size: 8 },
  argument0: { offset: 16, size: 8 },
  argument1: { offset: 24, size: 8 },
  argument2: { offset: 32, size: 8 },
  argument3: { offset: 40, size: 8 },
  argument4: { offset: 48, size: 8 },
  argument5: { offset: 56, size: 8 },
} as const;

export const architectureOffset = 4;
