/** The files that package-script grants to the script of one package. */
import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { packageFile, packageRoot } from "../../machine/package.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
import { Failure } from "../verb.ts";
import { nodeHeaders } from "./environment.ts";
import type { Exceptions } from "./exceptions.ts";
import { isBelow, type Place, packageOf, resolutionOf } from "./places.ts";
import type { Rooms } from "./rooms.ts";

/** Parameters of the policy. */
export interface Granted {
  /** The package. */
  readonly folder: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly execute: readonly string[];
}

/** @throws Failure if an exception would let the script change what confines it */
export function grantsFor(script: string, place: Place, given: Exceptions, rooms: Rooms, context: Context): Granted {
  const { folder } = place;
  const home = context.environment["HOME"] ?? "/";
  const execute = listed("execute", place, given, home);
  const write = listed("write", place, given, home);
  refuseOwnFiles([folder, ...write], place, rooms);
  for (const one of write.filter((path) => !existsSync(path))) mkdirSync(one, { recursive: true });
  const npm = context.environment["npm_execpath"];
  const tools = [
    process.execPath,
    packageFile("bin/portcullis-script-shell"),
    ...(npm?.startsWith("/") ? [packageOf(realpath(npm), home, folder)] : []),
  ];
  const headers = nodeHeaders(context.environment, rooms.user);
  return {
    folder,
    write: present([rooms.temporary, rooms.cache, ...write]),
    read: present([
      ...tools,
      ...resolutionOf(folder),
      ...(headers === undefined ? [] : [join(headers, "include")]),
      ...listed("read", place, given, home),
      ...execute,
    ]),
    execute: present(["/usr", "/bin", "/sbin", ...tools, ...namedScripts(script, folder), ...execute]),
  };
}

/** A package may make a link where the exceptions name a file of it, so they lead nowhere else. */
function listed(
  key: "execute" | "read" | "write",
  { folder, modules }: Place,
  given: Exceptions,
  home: string,
): string[] {
  return (given[key] ?? []).flatMap((path) => {
    const whole = path.startsWith("~/") ? join(home, path.slice(2)) : resolve(folder, path);
    const real = realpath(whole);
    const within = [folder, modules].find((one) => one !== undefined && isBelow(whole, one));
    if (within === undefined || isBelow(real, within)) return [whole, real];
    throw new Failure([
      diagnostic("P0919", `the exception ${key} ${JSON.stringify(path)} leads to ${real}`, {
        help: `a file of a package must lie in ${within}`,
      }),
    ]);
  });
}

/** Scripts of other packages that the command names: what is executed is their interpreter. */
function namedScripts(script: string, folder: string): string[] {
  const words = [...new Set(script.split(/[^\w@.-]+/))].filter((word) => !/^\.*$/.test(word));
  return resolutionOf(folder)
    .flatMap((modules) => words.map((word) => realpath(join(modules, ".bin", word))))
    .filter((file) => existsSync(file) && !isBelow(file, folder) && isScript(file));
}

function isScript(file: string): boolean {
  try {
    return readInput(file).startsWith("#!");
  } catch {
    return false;
  }
}

/** A script that writes there would permit itself more the next time. */
function refuseOwnFiles(write: readonly string[], { exceptions }: Place, { user }: Rooms): void {
  const own = [exceptions, join(user, "portcullis"), packageRoot()].flatMap((path) =>
    path === undefined ? [] : [realpath(path)],
  );
  for (const folder of write) {
    const reached = own.find((one) => isBelow(one, folder) || isBelow(folder, one));
    if (reached === undefined) continue;
    const help = "a narrower list write; or PORTCULLIS_SCRIPTS=FILE, for exceptions in another folder";
    throw new Failure([diagnostic("P0919", `the script could write ${reached}: it may write in ${folder}`, { help })]);
  }
}

function present(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter((path) => existsSync(path));
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
