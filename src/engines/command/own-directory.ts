/** The directory that a tree has instead of `files.private`, where no mounts can be made. */
import { closeSync, constants, mkdtempSync, openSync, readdirSync, realpathSync, rmdirSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Of mode 0700. */
export function makeOwnDirectory(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), "portcullis-"));
}

/** Removes a directory in which processes may still work: no link that they make leads elsewhere. */
export function removeOwnDirectory(directory: string): void {
  const remove = (path: string): void => {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      const own = `/proc/self/fd/${descriptor}`;
      for (const entry of readdirSync(own, { withFileTypes: true })) {
        const name = `${own}/${entry.name}`;
        if (!entry.isDirectory()) unlinkSync(name);
        else {
          remove(name);
          rmdirSync(name);
        }
      }
    } catch {
      // What the tree has made unremovable stays, in a directory of mode 0700.
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  };
  remove(directory);
  try {
    rmdirSync(directory);
  } catch {
    // See above.
  }
}
