/** The supported architectures, with the names of the kernel and `uname -m`. */
export type ArchitectureName = "x86_64" | "aarch64";

/**
 * `seccomp_data.arch` of a native caller (include/uapi/linux/audit.h). Every other value is a foreign ABI, which is
 * refused before the policy.
 */
export const auditArchitecture: { readonly [A in ArchitectureName]: number } = {
  x86_64: 0xc000_003e,
  aarch64: 0xc000_00b7,
};

/** Call numbers with this bit set come from x32 programs, although `seccomp_data.arch` says x86_64 (asm/unistd.h). */
export const x32Bit = 0x4000_0000;

/** Whether the number is of an x32 call. Number −1, which a debugger or a broken program makes, is of none. */
export function isX32Number(architecture: ArchitectureName, number: number): boolean {
  return architecture === "x86_64" && (number | 0) !== -1 && (number & x32Bit) !== 0;
}

/** The architecture of this process; undefined if it is not supported. */
export function hostArchitecture(): ArchitectureName | undefined {
  return process.arch === "x64" ? "x86_64" : process.arch === "arm64" ? "aarch64" : undefined;
}
