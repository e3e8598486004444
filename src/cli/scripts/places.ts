/** Finds the package of a script, its name, the project that has installed it, and the file of that project's exceptions. */
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Context } from "../context.ts";
import { Failure } from "../verb.ts";
import { exceptionsName } from "./exceptions.ts";

export interface Place {
  /** The package's folder: the working directory of its script. */
  readonly folder: string;
  /** The node_modules that it lies in, the first in its path. */
  readonly modules: string | undefined;
  /** "esbuild"; of a package inside another one "other/node_modules/esbuild". By its place: packages state names themselves. */
  readonly name: string;
  /** The file of exceptions, which may be missing; undefined if none is trusted. */
  readonly exceptions: string | undefined;
}

type Environment = Context["environment"];

const inModules = "/node_modules/";

/** @throws Failure */
export function placeOf(folder: string, environment: Environment): Place {
  const at = folder.indexOf(inModules);
  const project =
    at === -1 ? (environment["npm_config_local_prefix"] ?? environment["INIT_CWD"]) : folder.slice(0, at) || "/";
  return {
    folder,
    modules: at === -1 ? undefined : folder.slice(0, at + inModules.length - 1),
    name: at === -1 ? nameOutside(folder, project) : nameInside(folder.slice(at + inModules.length)),
    exceptions: exceptionsFile(project, environment),
  };
}

/** pnpm has each package in a folder of its own: `.pnpm/esbuild@0.25.0/node_modules/esbuild`. */
function nameInside(path: string): string {
  return path.replace(/^\.pnpm\/[^/]+\/node_modules\//, "");
}

/** The name of a linked folder, or of one that is made ready from git. */
function nameOutside(folder: string, project: string | undefined): string {
  return project === undefined ? folder : relative(project, folder) || ".";
}

/**
 * The file that the variable names, or that of the project. A dependency from git is prepared as if it were a project: its
 * own file is not trusted.
 */
export function exceptionsFile(project: string | undefined, environment: Environment): string | undefined {
  const named = environment["PORTCULLIS_SCRIPTS"];
  if (named !== undefined && named !== "") {
    // A relative one would be a file of the package.
    if (named.startsWith("/")) return named;
    const help = 'PORTCULLIS_SCRIPTS="$PWD/portcullis-scripts.json"';
    throw new Failure([diagnostic("P0919", "PORTCULLIS_SCRIPTS is no absolute path", { help })]);
  }
  if (project === undefined || environment["_PACOTE_NO_PREPARE_"]) return undefined;
  return join(project, exceptionsName);
}

/** What `require` reads from a folder: the node_modules and package.json of it and the folders above. */
export function resolutionOf(folder: string): string[] {
  const found: string[] = [];
  for (let above = folder; ; above = dirname(above)) {
    found.push(...[join(above, "node_modules"), join(above, "package.json")].filter((path) => existsSync(path)));
    if (dirname(above) === above) return found;
  }
}

/** The folder of the package that a file belongs to, if it is not above any of the others; or else the file. */
export function packageOf(file: string, ...others: readonly string[]): string {
  for (let folder = dirname(file); !others.some((other) => isBelow(other, folder)); folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) break;
  }
  return file;
}

/** Whether the path is the folder or below it. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
