/** crun and runc run containers under an agent. */
import { containerCases } from "./cases.ts";
import { ociRuntime } from "./runtime.ts";

for (const name of ["crun", "runc"] as const) containerCases(ociRuntime(name));
