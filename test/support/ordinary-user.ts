/**
 * Runs commands as an ordinary user, if the tests run as root. Root's checkout, Node and TMPDIR may be below a folder
 * that other users cannot search (Debian's /root has mode 0700), so this module copies files for such a user to a
 * reachable folder.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { afterAll } from "vitest";

/** Debian's nobody and nogroup. */
export const ordinaryUser = 65534;

/** Root and an ordinary user, if the tests run as root; otherwise the current user. */
export const users: readonly { readonly name: string; readonly uid: number | undefined }[] =
  process.getuid?.() === 0
    ? [
        { name: "root", uid: undefined },
        { name: "an ordinary user", uid: ordinaryUser },
      ]
    : [{ name: "an ordinary user", uid: undefined }];

/** A command line that runs these words as that user. setpriv executes the command in place. */
export const asUser = (uid: number, ...command: readonly string[]): string[] => [
  "setpriv",
  ...["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups"],
  ...command,
];

/** Whether an ordinary user can read the file, and execute the file or search the folder. */
export function isReachable(path: string): boolean {
  if (process.getuid?.() !== 0) return true;
  // A relative path would be searched from the working directory, which a process has even if its user cannot reach it.
  const whole = resolve(path);
  const [file, ...words] = asUser(ordinaryUser, "sh", "-c", 'test -r "$1" && test -x "$1"', "sh", whole);
  return spawnSync(file!, words).status === 0;
}

/** A new folder that all users can read and search, removed after the tests of the calling file. */
export function reachableFolder(name: string): string {
  for (const place of [tmpdir(), "/tmp", "/var/tmp"]) {
    const folder = mkdtempSync(join(place, `portcullis-${name}-`));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    if (isReachable(folder)) return folder;
  }
  throw new Error("an ordinary user can reach neither TMPDIR nor /tmp nor /var/tmp");
}

/** Copies a program or a folder into a folder of `reachableFolder`, readable for every user. */
export function copyFor(folder: string, path: string, to = basename(path)): string {
  const copy = join(folder, to);
  cpSync(path, copy, { recursive: true, dereference: true });
  execFileSync("chmod", ["-R", "a+rX", copy]);
  return copy;
}

/** The built portcullis as such a user runs it: from the checkout, or from a copy in a folder of `reachableFolder`. */
export function programFor(folder: string): string[] {
  const own = resolve("bin/portcullis");
  if (!existsSync("dist/cli.cjs")) throw new Error("dist/ is missing: run make build first");
  const isOwnReachable = isReachable(own);
  const parts = ["bin", "dist", "policies", "package.json", "node_modules/oxc-parser", "node_modules/@oxc-parser"];
  if (!isOwnReachable) for (const part of parts) copyFor(folder, part, part);
  const node = isReachable(process.execPath) ? process.execPath : copyFor(folder, process.execPath);
  const command = isOwnReachable ? own : join(folder, "bin/portcullis");
  return asUser(ordinaryUser, "env", `PATH=${dirname(node)}:${process.env["PATH"]}`, command);
}
