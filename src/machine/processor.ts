/** The processor on which a thread runs. */
import { callNumber } from "../abi/call-numbers.ts";
import { native } from "./native.ts";

/**
 * Keeps this thread, and threads that it starts later, on its present processor (sched_setaffinity(2)). False if the kernel
 * refuses it; then nothing has changed.
 */
export function stayOnProcessor(): boolean {
  const { syscall } = native();
  const processor = new Uint32Array(1);
  if (syscall(callNumber("getcpu"), processor, null, null) !== 0) return false;
  const number = processor[0]!;
  const mask = new Uint8Array(8 * (1 + Math.floor(number / 64)));
  mask[number >> 3] = 1 << (number & 7);
  return syscall(callNumber("sched_setaffinity"), 0, mask.length, mask) === 0;
}
