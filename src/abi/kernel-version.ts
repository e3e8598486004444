/** The running kernel's release, and whether a release is new enough. */
import { type ArchitectureName, hostArchitecture } from "./architecture.ts";

/** The running kernel's release ("6.12.3-amd64"); undefined if this machine does not run code for the architecture. */
export function runningKernel(architecture: ArchitectureName): string | undefined {
  if (process.platform !== "linux" || hostArchitecture() !== architecture) return undefined;
  // Loaded on demand: most policies do not depend on the kernel.
  return process.getBuiltinModule("node:os").release();
}

/** Whether a kernel's release ("6.18.44-amd64") is at least this. */
export function kernelAtLeast(release: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  return a > major || (a === major && b >= minor);
}
