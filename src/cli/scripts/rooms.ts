/** The folders that portcullis has for the scripts of each package, in the user's cache. */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { removeOwnDirectory } from "../../engines/command/own-directory.ts";
import type { Context } from "../context.ts";
import { missing } from "../policy/arguments.ts";
import { Failure } from "../verb.ts";

/** What one package writes there, no other reads. */
export interface Rooms {
  readonly cache: string;
  /** Empty at the begin of the script, and removed at its end. */
  readonly temporary: string;
  readonly events: string;
  /** What the script lacked, if it has failed (failures.ts). */
  readonly failure: string;
  /** The user's caches. */
  readonly user: string;
}

/** The user's folder for caches, and the one in it that has a folder for each package. @throws Failure */
export function roomsOfUser({ environment }: Pick<Context, "environment">): {
  readonly user: string;
  readonly scripts: string;
} {
  const { XDG_CACHE_HOME: given, HOME: home } = environment;
  const user = given?.startsWith("/") ? given : home?.startsWith("/") ? join(home, ".cache") : undefined;
  if (user === undefined) throw missing("a folder for caches", "set HOME or XDG_CACHE_HOME to an absolute path");
  return { user, scripts: join(user, "portcullis/scripts") };
}

export const failureName = "failure.json";

/** Their names do not change from run to run, so the compiled policy is found in the cache. @throws Failure */
export function makeRooms(folder: string, context: Pick<Context, "environment">): Rooms {
  const { user, scripts } = roomsOfUser(context);
  const base = join(scripts, createHash("sha256").update(folder).digest("hex").slice(0, 16));
  const rooms = {
    cache: join(base, "cache"),
    temporary: join(base, "tmp"),
    events: join(base, "events.jsonl"),
    failure: join(base, failureName),
    user,
  };
  try {
    if (!removeOwnDirectory(rooms.temporary)) throw new Error("what a script has left in tmp cannot be removed");
    for (const one of [rooms.events, rooms.failure]) rmSync(one, { force: true });
    for (const one of [rooms.cache, rooms.temporary]) mkdirSync(one, { recursive: true, mode: 0o700 });
  } catch (error) {
    const help = "the user must be able to write there; XDG_CACHE_HOME names another folder";
    throw new Failure([diagnostic("P0911", `${base}: ${(error as Error).message}`, { help })]);
  }
  return rooms;
}
