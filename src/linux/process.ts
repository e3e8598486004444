/** This process as a whole. */
import { callNumber } from "./call-numbers.ts";
import { native } from "./native.ts";

/**
 * exit_group(2), without Node's tidying up, which takes some milliseconds, waits for other threads, and gives the terminal
 * the modes back that it had at the start: those that the command has set are to stay. Whoever calls it has written all
 * that is to be written. Listeners of the process's "exit" are called.
 */
export function exitAtOnce(status: number): never {
  process.emit("exit", status);
  native().syscall(callNumber("exit_group"), status & 0xff);
  throw new Error("exit_group returned");
}
