import { release } from "node:os";
import { type ArchitectureName, hostArchitecture } from "./architecture.ts";

/** The running kernel's release ("6.12.3-amd64"), where what is compiled for this architecture runs on it. */
export function runningKernel(architecture: ArchitectureName): string | undefined {
  return process.platform === "linux" && hostArchitecture() === architecture ? release() : undefined;
}
