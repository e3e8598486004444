/** Capabilities of the calling thread (capabilities(7)): laid down for a while, and taken up again. */
import { callNumber } from "./call-numbers.ts";
import { native, required } from "./native.ts";

/** `CAP_…` (include/uapi/linux/capability.h). */
export const capabilities = { systemAdministration: 21, perfmon: 38, bpf: 39 } as const;

/** `_LINUX_CAPABILITY_VERSION_3`: two words for each of the three sets. */
const version = 0x2008_0522;
/** `struct __user_cap_header_struct`, and two of `struct __user_cap_data_struct`: effective, permitted, inheritable. */
const header = () => Uint32Array.of(version, 0);

/**
 * Does something while these are not effective. They stay permitted, so this guards against nobody: it is for what the
 * kernel makes dependent on them. Throws a SystemCallError where capset(2) fails, which it does for nobody who lays down.
 */
export function withoutCapabilities<T>(which: readonly number[], work: () => T): T {
  const kept = new Uint32Array(6);
  required("capget", native().syscall(callNumber("capget"), header(), kept));
  const fewer = kept.slice();
  for (const one of which) fewer[3 * (one >> 5)]! &= ~(1 << (one & 31));
  required("capset", native().syscall(callNumber("capset"), header(), fewer));
  try {
    return work();
  } finally {
    required("capset", native().syscall(callNumber("capset"), header(), kept));
  }
}
