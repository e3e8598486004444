/** The architectures whose system call tables portcullis carries. Named as the kernel and `uname -m` do. */
export type ArchitectureName = "x86_64" | "aarch64";

/**
 * `seccomp_data.arch` of a native caller (include/uapi/linux/audit.h). Anything else is a foreign ABI and is refused
 * before the policy is asked.
 */
export const auditArchitecture: { readonly [A in ArchitectureName]: number } = {
  x86_64: 0xc000_003e,
  aarch64: 0xc000_00b7,
};

/** Call numbers with this bit set come from x32 programs, although `seccomp_data.arch` says x86_64 (asm/unistd.h). */
export const x32Bit = 0x4000_0000;

/** The architecture of this process, or undefined where portcullis has no table for it. */
export function hostArchitecture(): ArchitectureName | undefined {
  return process.arch === "x64" ? "x86_64" : process.arch === "arm64" ? "aarch64" : undefined;
}
