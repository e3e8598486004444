/** The processor on which a thread runs. */
import { callNumber } from "../abi/call-numbers.ts";
import { native } from "./native.ts";

/** Bytes of a set of processors. A kernel has at most 8,192 (CONFIG_NR_CPUS, arch/x86/Kconfig), a bit each. */
const setSize = 2048;

/**
 * Keeps this thread, and threads that it starts later, on one of the processors that it may use (sched_setaffinity(2)): the one
 * with this index among them, counted in a circle. False if the kernel refuses it; then nothing has changed.
 */
export function stayOnProcessor(index: number): boolean {
  const { syscall } = native();
  const permitted = new Uint8Array(setSize);
  const size = syscall(callNumber("sched_getaffinity"), 0, permitted.length, permitted);
  if (size < 0) return false;
  const processors = [...permitted.subarray(0, size)].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (1 << bit)) !== 0).map((bit) => 8 * at + bit),
  );
  const chosen = processors[index % processors.length];
  if (chosen === undefined) return false;
  const mask = new Uint8Array(size);
  mask[chosen >> 3] = 1 << (chosen & 7);
  return syscall(callNumber("sched_setaffinity"), 0, mask.length, mask) === 0;
}
