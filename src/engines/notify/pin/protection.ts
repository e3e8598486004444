/** Chooses the protection of windows against their callers: mseal(2), or rules of the filter (window-rules.ts). */
import { existsSync } from "node:fs";
import { native } from "../../../machine/native.ts";

export type WindowProtection = "seal" | "rules";

/** `mseal` has this number on all architectures, from Linux 6.10 on. */
const msealNumber = 462;

/**
 * mseal(2) if the kernel has it and shows the seal in smaps (CONFIG_PROC_PAGE_MONITOR). `oldest` does without it, for
 * tests.
 */
export function windowProtection(kernel: "present" | "oldest"): WindowProtection {
  const canSeal = kernel === "present" && native().syscall(msealNumber, 0, 0, 0) === 0;
  return canSeal && existsSync("/proc/self/smaps") ? "seal" : "rules";
}
