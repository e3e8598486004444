/** `doctor`'s findings about BPF in this kernel, for the programs and objects of `portcullis compile`. */

import type { Finding } from "../../engines/engine/finding.ts";
import { type Features, probeFeatures } from "../../machine/bpf/features.ts";

const names: { readonly [F in keyof Features]: string } = {
  trialPrograms: "programs for trials",
  seccompPrograms: "programs for seccomp",
  seccompAttach: "attaching these",
  ringBuffer: "ring buffers",
  atomics: "atomic additions",
  signedOperations: "signed operations",
  mayGoto: "may_goto",
  typeInformation: "type information",
  spinLock: "spin locks",
  kernelFunctions: "seccomp's kernel functions",
};

export function* bpfFindings(): Generator<Finding> {
  const features = probeFeatures();
  const those = (state: Features[keyof Features]): string =>
    (Object.keys(names) as (keyof Features)[])
      .filter((feature) => features[feature] === state)
      .map((feature) => names[feature])
      .join(", ");
  const [present, absent, forbidden] = [those("present"), those("absent"), those("forbidden")];
  if (present !== "") yield { state: "fine", what: `eBPF here has ${present}` };
  if (absent !== "") {
    yield {
      state: "note",
      what: `eBPF here lacks ${absent}`,
      help: "seccomp's come with portcullis's patches (kernel/README.md); the rest with newer kernels, may_goto last, in 6.9",
    };
  }
  if (forbidden !== "") {
    yield {
      state: "note",
      what: `portcullis may not use eBPF: ${forbidden}`,
      help: "grant CAP_BPF, or change kernel.unprivileged_bpf_disabled and kernel.seccomp.ebpf",
    };
  }
}
