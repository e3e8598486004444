/**
 * Commands of an ordinary user, where the tests run as root. Root's checkout may lie below a folder that nobody else can
 * search (Debian's /root has mode 0700), and so may its Node and its TMPDIR: what such a user opens is copied to a place
 * that all users can reach.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll } from "vitest";

/** Debian's nobody and nogroup. */
export const ordinaryUser = 65534;

/** These words as a command of that user. setpriv executes the command in its own place. */
export const asUser = (uid: number, ...command: readonly string[]): string[] => [
  "setpriv",
  ...["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups"],
  ...command,
];

/** Whether an ordinary user can read the file, and execute the file or search the folder. */
export function isReachable(path: string): boolean {
  if (process.getuid?.() !== 0) return true;
  const [file, ...words] = asUser(ordinaryUser, "sh", "-c", 'test -r "$1" && test -x "$1"', "sh", path);
  return spawnSync(file!, words).status === 0;
}

/** A new folder that all users can read and search, removed after the tests of the file that asks for it. */
export function reachableFolder(name: string): string {
  for (const place of [tmpdir(), "/tmp", "/var/tmp"]) {
    const folder = mkdtempSync(join(place, `portcullis-${name}-`));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    if (isReachable(folder)) return folder;
  }
  throw new Error("an ordinary user can reach neither TMPDIR nor /tmp nor /var/tmp");
}

/** Copies a program or a folder, all of it readable by everybody, into a folder of `reachableFolder`. */
export function copyFor(folder: string, path: string, to = basename(path)): string {
  const copy = join(folder, to);
  cpSync(path, copy, { recursive: true, dereference: true });
  execFileSync("chmod", ["-R", "a+rX", copy]);
  return copy;
}
