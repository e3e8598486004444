/** The version of the running kernel. */
import { release } from "node:os";
import { type ArchitectureName, hostArchitecture } from "./architecture.ts";

/** The running kernel's release ("6.12.3-amd64"); undefined if this machine does not run code for the architecture. */
export function runningKernel(architecture: ArchitectureName): string | undefined {
  return process.platform === "linux" && hostArchitecture() === architecture ? release() : undefined;
}
