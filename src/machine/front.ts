/**
 * Node's side of the front (native/launcher/front.c), the process that the shell starts. The front starts Node with a
 * socket to the launcher, which has the state that the command inherits.
 */
import { readFileSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { givenWords, terminated } from "./command-line.ts";
import { closeOnExecFlag, setDescriptorFlags } from "./descriptors.ts";
import { native, nativeFile, SystemCallError } from "./native.ts";

/** The socket to the launcher; undefined if the front did not start this process. */
export function frontSocket(): number | undefined {
  const given = process.env["PORTCULLIS_LAUNCHER"];
  return given !== undefined && /^[1-9]\d{0,5}$/.test(given) ? Number(given) : undefined;
}

/**
 * Replaces this process by the front, which starts Node again with the same arguments. It is for
 * `node bin/portcullis.cjs`: the command inherits what Node has already changed (ignored signals, the limit of open
 * files).
 * @throws SystemCallError, NativeUnavailableError
 */
export function becomeFront(): never {
  const { syscall } = native();
  const front = ["portcullis-launcher", "supervise", process.execPath, process.argv[1]!].map(cString);
  // Bytes, because arguments need not be UTF-8.
  const argv = [...front, ...givenWords()];
  const environment = terminated(readFileSync("/proc/self/environ"));
  // Node sets close-on-exec on its standard streams.
  for (const stream of [0, 1, 2]) syscall(callNumber("fcntl"), stream, setDescriptorFlags, 0);
  const result = syscall(
    callNumber("execve"),
    cString(nativeFile("launcher")),
    pointersTo(argv),
    pointersTo(environment),
  );
  for (const stream of [0, 1, 2]) syscall(callNumber("fcntl"), stream, setDescriptorFlags, closeOnExecFlag);
  throw new SystemCallError("execve of the launcher", -result);
}

function cString(text: string): Uint8Array {
  return Buffer.from(`${text}\0`);
}

/** A `char *[]` of the strings, which the caller must keep alive. */
function pointersTo(strings: readonly Uint8Array[]): BigUint64Array {
  const pointers = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    pointers[index] = native().addressOf(string);
  });
  return pointers;
}
