/**
 * The process that the shell started, where it is native/launcher/front.c: it starts Node with nothing but a socket to the
 * launcher, which has what the command is to inherit.
 */
import { readFileSync } from "node:fs";
import { callNumber } from "./call-numbers.ts";
import { closeOnExecFlag, setDescriptorFlags } from "./descriptors.ts";
import { native, nativeFile, SystemCallError } from "./native.ts";

/** The socket to the launcher; undefined where this process was not started by the front. */
export function frontSocket(): number | undefined {
  const given = process.env["PORTCULLIS_LAUNCHER"];
  return given !== undefined && /^[1-9]\d{0,5}$/.test(given) ? Number(given) : undefined;
}

/**
 * Replaces this process by the front, which starts Node again with the same words. For `node bin/portcullis.cjs`: what
 * Node has changed already (ignored signals, the limit of open files) the command sees.
 *
 * @throws SystemCallError, NativeUnavailableError
 */
export function becomeFront(): never {
  const { syscall } = native();
  // Bytes, because words need not be UTF-8.
  const given = terminated(readFileSync("/proc/self/cmdline"));
  const words = given.slice(given.length - (process.argv.length - 2));
  const argv = [...["portcullis-launcher", "supervise", process.execPath, process.argv[1]!].map(cString), ...words];
  const environment = terminated(readFileSync("/proc/self/environ"));
  // Node makes its standard streams close-on-exec.
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

/** The strings of a block, each with its NUL. */
function terminated(block: Uint8Array): readonly Uint8Array[] {
  const strings: Uint8Array[] = [];
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(0, at) + 1;
    if (end === 0) break;
    strings.push(block.slice(at, end));
    at = end;
  }
  return strings;
}

/** `char *[]` of strings that the caller keeps. */
function pointersTo(strings: readonly Uint8Array[]): BigUint64Array {
  const pointers = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    pointers[index] = native().addressOf(string);
  });
  return pointers;
}
