/** An ordinary user's crun and runc run containers under an agent of that user. */
import { containerCases } from "./cases.ts";
import { rootlessRuntime } from "./runtime.ts";

for (const name of ["crun", "runc"] as const) containerCases(rootlessRuntime(name));
