/** Devices for file servers of a test's own. */
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, openSync } from "node:fs";

/** Makes /dev/fuse under another name, for every user: on many machines it is root's alone. */
export function fuseDevice(path: string, skip: (why: string) => void): void {
  if (process.getuid?.() !== 0) skip("needs root, to make a device");
  if (!existsSync(path)) {
    if (spawnSync("mknod", [path, "c", "10", "229"]).status !== 0) skip("a device cannot be made");
    chmodSync(path, 0o666);
  }
  try {
    closeSync(openSync(path, "r+"));
  } catch (error) {
    skip(`this kernel has no FUSE: ${(error as Error).message}`);
  }
}
