/** An ordinary user's crun, runc and podman run containers under an agent of that user. */
import { containerCases } from "./cases.ts";
import { rootlessPodman } from "./container-engines.ts";
import { rootlessRuntime } from "./runtime.ts";

for (const name of ["crun", "runc"] as const) {
  containerCases(rootlessRuntime(name));
  containerCases(rootlessPodman(name));
}
