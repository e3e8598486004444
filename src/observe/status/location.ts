/** The folder of status sockets with generated names, which only their user can open. */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The folder cannot be used: it belongs to another user, or cannot be made. */
export class StatusFolderError extends Error {
  override readonly name = "StatusFolderError";
}

/**
 * $XDG_RUNTIME_DIR/portcullis. Without that variable in systemd's folder of the user, if it is one of this user alone, as the
 * front finds it (native/launcher/agent.c, runtime_folder()); and without that /tmp/portcullis-UID, where no front looks.
 */
export function statusFolder(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const uid = process.geteuid?.() ?? 0;
  if (runtime !== undefined && runtime !== "") return join(runtime, "portcullis");
  const folder = systemdFolder();
  return folder === undefined ? `/tmp/portcullis-${uid}` : join(folder, "portcullis");
}

/** /run/user/UID, if it is a folder of this user alone. */
export function systemdFolder(): string | undefined {
  const path = `/run/user/${process.geteuid?.()}`;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const isOwn = stat?.isDirectory() === true && stat.uid === process.geteuid?.() && (stat.mode & 0o7777) === 0o700;
  return isOwn ? path : undefined;
}

/** @throws StatusFolderError */
export function makeStatusFolder(): string {
  const folder = statusFolder();
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
      throw new StatusFolderError(`${folder} cannot be made: ${error instanceof Error ? error.message : error}`);
  }
  if (!isOwn(folder)) throw new StatusFolderError(`${folder} is not a folder of this user's alone`);
  return folder;
}

/** Any user can create a folder of this name in /tmp first. */
function isOwn(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
}

/** The sockets in the folder, by the process that serves them. */
export function statusSockets(): readonly { readonly pid: number; readonly socket: string }[] {
  const folder = statusFolder();
  return runningIn(/^(\d{1,10})\.sock$/).map(({ pid, name }) => ({ pid, socket: join(folder, name) }));
}

/** The entries of the folder with such a name, whose first group is the process. */
export function runningIn(pattern: RegExp): readonly { readonly pid: number; readonly name: string }[] {
  const folder = statusFolder();
  if (!isOwn(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const pid = pattern.exec(name)?.[1];
    return pid === undefined ? [] : [{ pid: Number(pid), name }];
  });
}
