/** Operations on the current process. */
import { callNumber } from "../abi/call-numbers.ts";
import { native } from "./native.ts";

/**
 * exit_group(2) without Node's cleanup, which takes milliseconds, waits for other threads, and restores the terminal's
 * modes of the start; the modes that the command has set must stay. The caller must have flushed its output. Listeners
 * of the process's "exit" event run.
 */
export function exitAtOnce(status: number): never {
  process.emit("exit", status);
  native().syscall(callNumber("exit_group"), status & 0xff);
  throw new Error("exit_group returned");
}
