/** Directories that a tree writes, and that portcullis makes and removes: the tree can leave anything in them. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Instead of `files.private`, where no mounts can be made. Of mode 0700. */
export function makeOwnDirectory(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), "portcullis-"));
}

/** O_PATH of Linux; Node has no constant. */
const pathOnly = 0o10_000_000;
/** Milliseconds after which the rest stays: a process can make files faster than this one removes them. */
const patience = 60_000;

/**
 * Removes a directory in which processes may still work. No link that they make leads elsewhere: each directory is opened without
 * following one, and used by its descriptor. Directories below others are moved up before they are removed, so a deep nesting takes
 * neither descriptors nor stack. Returns whether the directory is gone, also if it was missing.
 */
export function removeOwnDirectory(directory: string): boolean {
  const end = performance.now() + patience;
  const unique = randomBytes(8).toString("hex");
  let moved = 0;
  withDirectory(directory, (top) => {
    let hasChanged = true;
    while (hasChanged && performance.now() < end) {
      hasChanged = false;
      for (const entry of entriesOf(top)) {
        const name = `${top}/${entry.name}`;
        if (entry.isDirectory())
          withDirectory(name, (inner) => {
            for (const each of entriesOf(inner)) {
              const from = `${inner}/${each.name}`;
              if (!each.isDirectory()) attempt(() => unlinkSync(from));
              // The kernel writes to a directory that gets another parent.
              else if (withDirectory(from, () => undefined))
                attempt(() => renameSync(from, `${top}/${unique}-${moved++}`));
            }
          });
        const remove = entry.isDirectory() ? rmdirSync : unlinkSync;
        if (attempt(() => remove(name))) hasChanged = true;
      }
    }
  });
  attempt(() => rmdirSync(directory));
  return lstatSync(directory, { throwIfNoEntry: false }) === undefined;
}

/** Opens a directory that the user may have no rights to, and no link. Returns whether that succeeded. */
function withDirectory(path: string, use: (own: string) => void): boolean {
  const kind = constants.O_DIRECTORY | constants.O_NOFOLLOW;
  let [named, opened] = [-1, -1];
  return attempt(() => {
    try {
      named = openSync(path, pathOnly | kind);
      attempt(() => chmodSync(`/proc/self/fd/${named}`, 0o700));
      opened = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY | constants.O_DIRECTORY);
      use(`/proc/self/fd/${opened}`);
    } finally {
      for (const one of [named, opened]) if (one >= 0) closeSync(one);
    }
  });
}

function entriesOf(own: string): readonly Dirent[] {
  let found: readonly Dirent[] = [];
  attempt(() => {
    found = readdirSync(own, { withFileTypes: true });
  });
  return found;
}

function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
