/** The Landlock of this machine. */
import { callNumber } from "../abi/call-numbers.ts";
import { NativeUnavailableError, native } from "./native.ts";

const askVersion = 1; // LANDLOCK_CREATE_RULESET_VERSION

/** `landlockAbi`, or undefined without the native parts. */
export function abiOfThisKernel(): number | undefined {
  try {
    return landlockAbi();
  } catch (error) {
    if (error instanceof NativeUnavailableError) return undefined;
    throw error;
  }
}

const scopes = 6; // Linux 6.12: signals and abstract sockets

/** Whether `--separate` works here. Throws a NativeUnavailableError. */
export function canSeparate(): boolean {
  return landlockAbi() >= scopes;
}

/** The ABI level of this kernel, or 0 if Landlock is missing or off. Throws a NativeUnavailableError. */
export function landlockAbi(): number {
  return Math.max(0, native().syscall(callNumber("landlock_create_ruleset"), null, 0, askVersion));
}
