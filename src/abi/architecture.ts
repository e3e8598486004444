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

export const architectureNames = Object.keys(auditArchitecture) as readonly ArchitectureName[];

/** The architecture by another name, as Debian, Go, Node or the documentation of the kernel write it. */
export function architectureByAlias(name: string): ArchitectureName | undefined {
  switch (name.toLowerCase()) {
    case "x86-64":
    case "x64":
    case "amd64":
      return "x86_64";
    case "arm64":
      return "aarch64";
    default:
      return undefined;
  }
}

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
