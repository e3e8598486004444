/** Sealed memory of a descriptor (memfd_create(2)). */
import { fchmodSync, fstatSync, readSync, writeSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { errno } from "../abi/errno-numbers.ts";
import { close } from "./descriptors.ts";
import { native, required } from "./native.ts";

const flag = { closeOnExec: 1, allowSealing: 2, notExecutable: 8 } as const;
const addSeals = 1033; // F_ADD_SEALS
const getSeals = 1034; // F_GET_SEALS
/** F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE */
const allSeals = 0b1111;

/** A descriptor of these bytes, which no process can change. @throws SystemCallError, or an error of the file system */
export function sealedMemory(name: string, bytes: Uint8Array): number {
  const create = (flags: number) => native().syscall(callNumber("memfd_create"), Buffer.from(`${name}\0`), flags);
  const usual = flag.closeOnExec | flag.allowSealing;
  let descriptor = create(usual | flag.notExecutable);
  if (descriptor === -errno.EINVAL) descriptor = create(usual); // before Linux 6.3
  required("memfd_create", descriptor);
  try {
    fchmodSync(descriptor, 0o600);
    // With positions, so that the descriptor's own stays at the beginning.
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at, at);
    required("F_ADD_SEALS", native().syscall(callNumber("fcntl"), descriptor, addSeals, allSeals));
    return descriptor;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/**
 * The bytes of sealed memory that this user has made, for the first process that asks: all duplicates of the descriptor share
 * its position, which is then at the end. Undefined for another descriptor; empty the second time.
 */
export function takeSealedMemory(descriptor: number): Uint8Array | undefined {
  const seals = native().syscall(callNumber("fcntl"), descriptor, getSeals);
  if (seals < 0 || (seals & allSeals) !== allSeals) return undefined;
  const { uid, size } = fstatSync(descriptor);
  if (uid !== process.geteuid?.()) return undefined;
  const bytes = new Uint8Array(size);
  let length = 0;
  for (let count = -1; count !== 0 && length < size; length += count)
    count = readSync(descriptor, bytes, length, size - length, null);
  return bytes.subarray(0, length);
}
