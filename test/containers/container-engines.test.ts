/** `make test-containers`: podman, docker and containerd run containers under an agent. */
import { containerCases } from "./cases.ts";
import { containerd, docker, podman } from "./container-engines.ts";

for (const runtime of ["crun", "runc"] as const) {
  containerCases(podman(runtime));
  containerCases(containerd(runtime));
}
containerCases(docker());
