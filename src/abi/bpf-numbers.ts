/** Numbers of bpf(2) (include/uapi/linux/bpf.h), as far as they are used: without a system call, for the compiler too. */

/** `enum bpf_prog_type`. Number 33 is the kernel's own only with portcullis's patches. */
export const programTypes = { socketFilter: 1, schedulerClassifier: 3, systemCall: 31, seccomp: 33 } as const;
export type ProgramType = (typeof programTypes)[keyof typeof programTypes];

/** `BPF_F_…` of program loading. */
export const programFlags = { sleepable: 1 << 4 } as const;

/** `enum bpf_map_type`. */
export const mapTypes = { hash: 1, array: 2, ringBuffer: 27 } as const;
export type MapType = (typeof mapTypes)[keyof typeof mapTypes];

/**
 * `BPF_F_…` of map creation. `readOnlyForPrograms`: programs may not write it; frozen too, it is constant to the verifier.
 * `sealable`: only seccomp filters can use it, and one can be made its only writer (kernel/patches; no other kernel takes it).
 */
export const mapFlags = { readOnlyForPrograms: 1 << 7, mappable: 1 << 10, sealable: 1 << 28 } as const;

/** `BPF_PSEUDO_…`, in the place of an instruction's source register. */
export const pseudo = { map: 1, mapValue: 2, localCall: 1, kernelCall: 2 } as const;
