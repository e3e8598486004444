/** This process as a whole. */
import { callNumber } from "./call-numbers.ts";
import { native } from "./native.ts";

/**
 * exit_group(2), without Node's tidying up, which takes some milliseconds and waits for other threads. Whoever calls it
 * has written all that is to be written.
 */
export function exitAtOnce(status: number): never {
  native().syscall(callNumber("exit_group"), status & 0xff);
  throw new Error("exit_group returned");
}
