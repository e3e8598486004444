/** What keeps a caller from changing its window: mseal(2), or rules of the filter (window-rules.ts). */
import { native } from "../../../linux/native.ts";

export type WindowProtection = "seal" | "rules";

/** `mseal` has this number on all architectures, from Linux 6.10 on. */
const msealNumber = 462;

/** mseal(2) where the kernel has it, and where use of it is wanted. */
export function windowProtection(kernel: "present" | "oldest"): WindowProtection {
  return kernel === "present" && native().syscall(msealNumber, 0, 0, 0) === 0 ? "seal" : "rules";
}
