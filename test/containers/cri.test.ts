/** `make test-containers`: containerd runs containers under an agent, driven as by a kubelet. */
import { containerCases } from "./cases.ts";
import { cri } from "./cri.ts";

for (const handler of ["crun", "runc"] as const) containerCases(cri(handler));
