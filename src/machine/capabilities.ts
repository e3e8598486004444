/** Drops and restores effective capabilities of the calling thread (capabilities(7)). */
import { callNumber } from "../abi/call-numbers.ts";
import { native, required } from "./native.ts";

/** `CAP_…` (include/uapi/linux/capability.h). */
export const capabilities = { systemAdministration: 21, perfmon: 38, bpf: 39 } as const;

/** `_LINUX_CAPABILITY_VERSION_3`: two words for each of the three sets. */
const version = 0x2008_0522;
/** `struct __user_cap_header_struct`, and two of `struct __user_cap_data_struct`: effective, permitted, inheritable. */
const header = () => Uint32Array.of(version, 0);

/**
 * Runs `work` without these effective capabilities. They stay permitted, so this is not a security measure; it is for
 * kernel features whose behaviour depends on them. Throws a SystemCallError if capset(2) fails, which dropping does not
 * cause.
 */
export function withoutCapabilities<T>(which: readonly number[], work: () => T): T {
  const original = new Uint32Array(6);
  required("capget", native().syscall(callNumber("capget"), header(), original));
  const fewer = original.slice();
  for (const one of which) fewer[3 * (one >> 5)]! &= ~(1 << (one & 31));
  required("capset", native().syscall(callNumber("capset"), header(), fewer));
  try {
    return work();
  } finally {
    required("capset", native().syscall(callNumber("capset"), header(), original));
  }
}
